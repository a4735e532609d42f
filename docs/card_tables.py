"""The tables of fidelity cards on docs/guides/card.md, from docs/results/cards/*.json.

``docs/make_tables.py`` runs it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmrec_env.common.files import read_json, write_json
from llmrec_env.evaluation.fidelity import FidelityCard
from llmrec_env.evaluation.fidelity.advice import ECE_GOAL
from llmrec_env.evaluation.fidelity.card import POPULARITY, SIMULATOR
from llmrec_env.evaluation.fidelity.other_log import TRUE_USERS
from llmrec_env.evaluation.fidelity.outcomes import TRUTH
from llmrec_env.evaluation.intervals import Interval

LOGS = {
    "generated_world": "generated world, the embedded LE",
    "world_uniform": "`world:uniform`",
    "world_recommender": "`world:recommender`",
    "jester5k": "Jester",
    "ml_100k": "MovieLens 100K",
    "amazon_industrial": "Amazon Industrial",
    "lastfm_hetrec2011": "Last.fm HetRec",
}
"""What the tables call a card's log, in their order."""
NOT_RUN = "<!-- not run: they learn for minutes, some from the publishers' files -->"
DIGITS = 4
Cards = dict[str, FidelityCard]
Row = Callable[[FidelityCard], list[str]]


def take_over(name: str, folder: Path, kept: Path) -> None:
    """Keep a card with its command, in few digits.

    Args:
        name: one of :data:`LOGS`.
        folder: of the simulator, or where ``--out`` put its card.
        kept: where the cards of the docs are.
    """
    command = read_json(folder / "card" / "config.json")["command"]
    card = {"command": command, **read_json(folder / "card.json")}
    write_json(kept / f"{name}.json", _rounded(card), sort_keys=False)


def tables(kept: Path) -> str:
    """The commands, and one table a question, a row a card."""
    stored = {name: read_json(kept / f"{name}.json") for name in LOGS if _has(kept, name)}
    cards = {name: FidelityCard.from_json(own) for name, own in stored.items()}
    commands = [line for own in stored.values() for line in _commands(own)]
    parts = [
        ["", NOT_RUN, "```bash", *dict.fromkeys(commands), "```", ""],
        ["**Is the chance of taking right?**", "", *_table(_CALIBRATION, cards, _calibration), ""],
        ["**Is what is taken told?** Accuracy of taking, against popular items.", ""],
        [*_table(_columns(cards), cards, lambda card: _accuracy(card, _others(cards))), ""],
        ["**On another recommender's log, and against what is liked**", ""],
        [*_table(_BEYOND, cards, _beyond), ""],
        ["**Sessions, logged / simulated**", "", *_sessions(cards), ""],
        *([_policies(cards)] if any(own.policies for own in cards.values()) else []),
    ]
    return "\n".join(line for part in parts for line in part)


def _has(kept: Path, name: str) -> bool:
    return (kept / f"{name}.json").is_file()


def _commands(stored: dict[str, Any]) -> list[str]:
    """What fits the simulator, where it has a folder, and what makes its card."""
    words = shlex.split(stored["command"])
    fit = []
    if stored["about"]["language_model"] is False:
        named = [
            own
            for at, word in enumerate(words)
            if word in _OF_THE_LOG
            for own in words[at : at + 2]
        ]
        simulator = next(word for word in words if word.startswith("users/"))
        fit = [shlex.join(["llmrec", "fit", *named, "--no-language-model", "--out", simulator])]
    return [*fit, stored["command"]]


_OF_THE_LOG = ("--data", "--order")
_CALIBRATION = [
    *("against", "ECE", "of a perfect simulator", f"goal, {ECE_GOAL:g}"),
    *("ECE by items read: below 5 / below 20 / more", "ECE by the true chances"),
]
_HISTORIES = ("cold users", "histories of 5", "histories of 20")
_BEYOND = [
    *("accuracy kept, popular items", "of the true users"),
    *("Spearman with later ratings", "best of the others"),
    *("Spearman with the truth", "of popularity"),
]


def _calibration(card: FidelityCard) -> list[str]:
    curve = card.calibration[card.judged_against]
    reached = "reached" if card.ece.mean <= ECE_GOAL else "**missed**"
    groups = [
        next((_number(own.ece.mean) for own in curve.groups if own.name.startswith(name)), "–")
        for name in _HISTORIES
    ]
    true = card.calibration.get(TRUTH)
    return [
        f"`{card.judged_against}`",
        _shown(card.ece),
        _number(curve.floor),
        reached,
        " / ".join(groups),
        "–" if true is None else _shown(true.ece),
    ]


def _others(cards: Cards) -> list[str]:
    """Whoever stands beside some simulator, in the order of their columns."""
    return list(
        dict.fromkeys(who for own in cards.values() for who in own.acceptance if who != SIMULATOR)
    )


def _columns(cards: Cards) -> list[str]:
    return ["LE", *_others(cards)]


def _accuracy(card: FidelityCard, others: list[str]) -> list[str]:
    found = {who: own["accuracy, popular"] for who, own in card.acceptance.items()}
    alone = set(found) == {SIMULATOR, POPULARITY}
    best = None if alone else max(own.mean for own in found.values())

    def cell(who: str) -> str:
        if who not in found:
            return "–"
        text = _shown(found[who]) if who == SIMULATOR else _number(found[who].mean)
        return f"**{text}**" if found[who].mean == best else text

    return [cell(SIMULATOR), *map(cell, others)]


def _beyond(card: FidelityCard) -> list[str]:
    kept = card.counterfactual
    liking = {who: own["Spearman"] for who, own in card.liking.items()}
    likers = [who for who in liking if who != SIMULATOR]
    liker = max(likers, key=lambda who: liking[who].mean, default=None)
    return [
        _shown(kept.get(SIMULATOR, {}).get("kept, popular")),
        _shown(kept.get(TRUE_USERS, {}).get("kept, popular")),
        _shown(liking.get(SIMULATOR)),
        "–" if liker is None else f"{_number(liking[liker].mean)} ({liker})",
        _shown(card.truth.get(SIMULATOR, {}).get("Spearman")),
        _shown(card.truth.get(POPULARITY, {}).get("Spearman")),
    ]


def _sessions(cards: Cards) -> list[str]:
    both = {name: own.behaviour for name, own in cards.items() if own.behaviour is not None}
    figures = list(dict.fromkeys(f for own in both.values() for f in own.logged.figures))
    rows = []
    for name, own in both.items():
        pairs = [(own.logged.figures.get(f), own.simulated.figures.get(f)) for f in figures]
        cells = [
            "–" if a is None or b is None else f"{_number(a.mean)} / {_number(b.mean)}"
            for a, b in pairs
        ]
        rows.append(_line([LOGS[name], *cells]))
    return [_line(["", *figures]), _line(["---"] * (len(figures) + 1)), *rows]


def _policies(cards: Cards) -> list[str]:
    rows = []
    for name, own in cards.items():
        panel = own.policies
        if panel is None:
            continue
        best = panel.best_estimate
        told = (
            "–" if best is None or best.tau is None else f"{best.estimator}, {_number(best.tau, 2)}"
        )
        cells = [
            str(panel.policies),
            *(_shown(f, 2) for f in (panel.tau, panel.tau_better, panel.regret)),
            told,
        ]
        rows.append(_line([LOGS[name], *cells]))
    header = [
        "",
        "policies",
        "τ",
        "τ, better half",
        "regret",
        "off-policy estimate to trust, its τ",
    ]
    title = "**Are policies put in the true order?**"
    return [title, "", _line(header), _line(["---"] * len(header)), *rows, ""]


def _table(columns: list[str], cards: Cards, row: Row) -> list[str]:
    lines = [_line([LOGS[name], *row(own)]) for name, own in cards.items()]
    return [_line(["", *columns]), _line(["---"] * (len(columns) + 1)), *lines]


def _shown(found: Interval | None, digits: int = 3) -> str:
    if found is None:
        return "–"
    mean, low, high = (_number(value, digits) for value in found)
    return f"{mean} [{low}, {high}]"


def _number(value: float, digits: int = 3) -> str:
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(own) for name, own in value.items()}
    if isinstance(value, list):
        return [_rounded(own) for own in value]
    return round(value, DIGITS) if isinstance(value, float) else value
