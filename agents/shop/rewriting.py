"""Lets a language model say instructions in its own words, and keeps what can be told from them.

Nobody may be asked for what is not said: a second question, which shows the new text alone, must
find every option value and attribute among others that could be meant. A text that copies a value
word for word is not kept either, so that what is tested is language.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import local_path
from llmrec_env.common.progress import progress_bar
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.goals.rewritten import (
    LONGEST,
    OF,
    Rewritten,
    RewrittenInstructions,
    asked_values,
    load_rewritten,
    untold,
)
from llmrec_env.envs.shop.words import spaced

Ask = Callable[[str], str]
"""A language model: its answer to a prompt."""
PROMPT = """\
Rewrite what a person wants to buy, as that person would say it to a friend: one to three plain \
sentences, natural word order, no list. Keep all of its meaning. Name the numbers of price and \
stars as they are. Say these in other words, none of them as it stands here: {values}.

What is wanted: {plain}

Answer with the new text alone."""
QUESTION = """\
Somebody wrote: {text}

Which {what} do they want? Answer with one of these, as it stands: {choices}"""
CHOICES = 6
"""Values among which one must be told, at most."""
WRITTEN_EVERY = 10


@dataclass
class RewritingReport:
    """What became of the goals that were given.

    Attributes:
        kept: texts from which all can be told; known: of them, those that the file had before.
        dropped: goals of which no try was kept, by why the last was not.
    """

    kept: int = 0
    known: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.kept} rewritten ({self.known} of them before)"]
        lines += [f"{n} dropped: {why}" for why, n in sorted(self.dropped.items())]
        return "\n".join(lines)


def rewrite_instructions(
    goals: Sequence[Goal],
    catalogue: ProductCatalogue,
    ask: Ask,
    path: str | os.PathLike[str],
    *,
    judge: Ask | None = None,
    of: str = "synthetic",
    tries: int = 3,
    seed: int = 0,
    about: dict[str, Any] | None = None,
) -> RewritingReport:
    """Have the instructions of goals rewritten, and write those that pass into a file.

    ``gym.make("LLMRec/Shop-v0", instructions=path)`` has the goals of the file. What a file has
    already is not asked for again, so a killed run goes on.

    Args:
        goals: ``shop.goals``, of synthetic or paraphrased instructions.
        catalogue: theirs; other values and attributes are drawn from it.
        ask: the language model that rewrites.
        path: the JSON file.
        judge: the language model that tells values from texts; ``ask`` where None.
        of: whose instructions they are, ``"synthetic"`` or ``"paraphrased"``.
        tries: how often a goal's text is asked for.
        seed: draws the other values.
        about: what is kept in the file about who wrote it, such as the model's name.

    Raises:
        SettingError: ``of`` or ``tries`` has no such value, or the file is of other instructions.
        DataError: the file holds something else.
    """
    if of not in OF:
        raise SettingError(f"of must be one of {OF}, got {of!r}")
    check_whole("tries", tries, 1)
    place, report = local_path(path, "rewritten instructions"), RewritingReport()
    rows = _known(place, of)
    attributes = sorted({a for row in range(len(catalogue)) for a in _attributes(catalogue, row)})
    rng = np.random.default_rng([seed, *b"rewriting"])

    def write() -> None:
        if rows:
            RewrittenInstructions(of, tuple(rows.values()), about or {}).save(place)

    with progress_bar("rewrite", len(goals)) as advance:
        for goal in goals:
            advance(1, "")
            if goal.instruction in rows:
                report.known += 1
                report.kept += 1
                continue
            row, why = _rewritten(goal, catalogue, attributes, ask, judge or ask, tries, rng)
            if row is None:
                report.dropped[why] = report.dropped.get(why, 0) + 1
                continue
            rows[goal.instruction] = row
            report.kept += 1
            if report.kept % WRITTEN_EVERY == 0:
                write()
    write()
    return report


def _known(path: Path, of: str) -> dict[str, Rewritten]:
    """What the file has already."""
    if not path.exists():
        return {}
    saved = load_rewritten(path)
    if saved.of != of:
        raise SettingError(f"{path} has {saved.of} instructions, and these are {of}: name another")
    return {row.plain: row for row in saved.rows}


def _rewritten(
    goal: Goal,
    catalogue: ProductCatalogue,
    attributes: Sequence[str],
    ask: Ask,
    judge: Ask,
    tries: int,
    rng: np.random.Generator,
) -> tuple[Rewritten | None, str]:
    """A text that passes, or why the last did not."""
    values, why = asked_values(goal), ""
    for _ in range(tries):
        text = " ".join(ask(PROMPT.format(plain=goal.instruction, values=_listed(values))).split())
        why = _copied(text, values)
        if why:
            continue
        told = [
            value
            for value, what, others in _questions(goal, catalogue, attributes, rng)
            if _tells(judge, text, value, what, others)
        ]
        row = Rewritten(goal.instruction, text, tuple(told))
        if len(told) < len(values):
            why = "a value or attribute cannot be told from it"
        elif untold(goal, row):
            why = "it does not name each limit"
        else:
            return row, ""
    return None, why


def _copied(text: str, values: Iterable[str]) -> str:
    """Why a text is none; empty where it may be one."""
    if not text or len(text) > LONGEST:
        return "it is empty or too long"
    if any(spaced(value).strip() and spaced(value) in spaced(text) for value in values):
        return "it copies a value word for word"
    return ""


def _questions(
    goal: Goal, catalogue: ProductCatalogue, attributes: Sequence[str], rng: np.random.Generator
) -> list[tuple[str, str, list[str]]]:
    """What is asked for, what it is, and what else it could be, for each option and attribute."""
    offered = catalogue.options(goal.row)
    named = isinstance(goal.options, dict)
    options = dict(goal.options) if named else {}  # type: ignore[arg-type]
    questions = [
        (value, name, [other for other in offered.get(name, ()) if other != value])
        for name, value in options.items()
    ]
    others = [one for one in attributes if one not in goal.attributes]
    questions += [(value, "property", others) for value in goal.attributes]
    return [(value, what, _some(others, rng)) for value, what, others in questions]


def _tells(judge: Ask, text: str, value: str, what: str, others: Sequence[str]) -> bool:
    """Whether the value is told from the text, among others."""
    choices = sorted([value, *others])
    answer = spaced(judge(QUESTION.format(text=text, what=what, choices=" | ".join(choices))))
    found = [choice for choice in choices if spaced(choice) in answer]
    # "large" stands in "x-large" as a word: the longest that was named is meant
    return bool(found) and max(found, key=len) == value


def _some(values: Sequence[str], rng: np.random.Generator) -> list[str]:
    drawn = rng.permutation(len(values))[: CHOICES - 1]
    return [values[place] for place in drawn.tolist()]


def _attributes(catalogue: ProductCatalogue, row: int) -> tuple[str, ...]:
    return catalogue.listed("instruction_attributes", row)


def _listed(values: Iterable[str]) -> str:
    return "; ".join(values)
