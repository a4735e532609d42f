"""The demo's LE stage: trains or loads an LE and measures its fidelity on test users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llmrec_env.common.files import local_path
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.source import WORLD_SIZE, Source
from llmrec_env.evaluation.fidelity import (
    COLUMNS,
    DIFFERENCE,
    OURS,
    POPULAR,
    held_out_accuracy,
    of_reward,
    of_taking,
    truth_agreement,
)
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.experiments.verdicts import verdict
from llmrec_env.reporting import Curve, Curves, Element, Estimate, Report, Table
from llmrec_env.reporting.terminal import masked_text
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.origin import EMBEDDED
from llmrec_env.users.true_taste import TrueTasteUser

Found = dict[str, Any]
CHECKPOINT = "le_checkpoint"
"""Where the LE of a run is while it learns."""


def simulator_folder(settings: DemoSettings, run: RunFolder) -> Path:
    """Where the LE of a run is, or will be: a saved one, the embedded one, or the run's own."""
    if settings.simulator is not None:
        return local_path(settings.simulator, "simulator")
    return EMBEDDED if _is_embedded(settings) else run.path / "le"


def is_learned(settings: DemoSettings, run: RunFolder) -> bool:
    """Whether the LE of a run is there, so that nothing has to be learned."""
    own = simulator_folder(settings, run) == run.path / "le"
    return not own or run.has("le/config.json")


def learn_simulator(settings: DemoSettings, run: RunFolder) -> None:
    """Learn the LE of a run from its log."""
    # Only here: these import transformers, which a run with a learned LE does without.
    from llmrec_env.language.fitting import FitConfig, fit_language_environment
    from llmrec_env.language.learning import LearningConfig

    learning = LearningConfig(epochs=settings.le_epochs, seed=settings.seed)
    split, checkpoint = settings.source.split, run.path / CHECKPOINT
    model = fit_language_environment(
        split.train,
        split.validation,
        settings.base_model,
        FitConfig(learning=learning).scaled(settings.budget),
        users=split.test,
        checkpoint=checkpoint,
        allow_untexted=settings.allow_untexted,
    )
    model.save_pretrained(run.path / "le")
    run.remove(CHECKPOINT)


def _is_embedded(settings: DemoSettings) -> bool:
    """Whether the LE that ships with the package learned from this very split."""
    plain = settings.data is None and settings.seed == 0 and settings.base_model is None
    return plain and settings.world_size == WORLD_SIZE


def measure(settings: DemoSettings, source: Source, simulator: LanguageUser) -> Found:
    """The simulator's card on test users, and the agreement with the truth where it is known."""
    split = source.split
    card = held_out_accuracy(simulator, split.train, split.test, settings.seed)
    learning = simulator.model.record.get("learning", {})
    found: Found = {
        "card": asdict(card),
        "curve": learning.get("curve", []),
        "learned_from": {k: learning.get(k) for k in ("users", "interactions", "mask_seen")},
        "test_users": split.test.n_users,
    }
    if source.world is not None:
        truth = TrueTasteUser(source.world)
        agreement = truth_agreement(simulator, truth, split.train, split.test)
        found["truth"] = {
            "simulator": float(agreement.simulator.mean()),
            "popularity": float(agreement.popularity.mean()),
            "difference": list(agreement.difference),
            "users": len(agreement.simulator),
        }
    return found


def findings(found: Found, budget: float) -> list[Element]:
    """The claims that this stage can settle."""
    card = found["card"]
    reward, counts = card["reward"]["popular"], card["popularity_reward"]["popular"]
    apart = card["intervals"][DIFFERENCE]["accuracy, popular"]
    claims: list[Element] = [
        verdict(
            "The simulated user tells what a held-out user took from what they never saw better "
            "than popularity does",
            f"pairwise accuracy {reward:.3f} against {counts:.3f}, popularity-matched negatives, "
            f"difference {_bounds(apart)}",
            [apart],
            card["users"],
            budget,
        )
    ]
    if "truth" in found:
        difference = found["truth"]["difference"]
        claims.append(
            verdict(
                "Its reward is closer to the true preference than popularity is",
                f"Spearman over unseen items, difference {_bounds(difference)}",
                [difference],
                found["truth"]["users"],
                budget,
            )
        )
    return claims


def _bounds(difference: Sequence[float]) -> str:
    mean, low, high = difference
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def write(report: Report, found: Found) -> None:
    """The section on the simulated user."""
    learned = found["learned_from"]
    section = report.section(
        "The simulated user",
        f"A language model that learned from {learned['users']} users, evaluated on "
        f"{found['test_users']} others.",
    )
    card = found["card"]
    names = {OURS: "LE", POPULAR: "popularity", DIFFERENCE: "LE minus popularity"}
    section.add(
        Table(
            "Held-out users",
            ["who", *map(of_reward, COLUMNS)],
            [
                [name, *(Estimate(*card["intervals"][who][column]) for column in COLUMNS)]
                for who, name in names.items()
            ],
            controls=["popularity"],
            best=[of_reward(column) for column in COLUMNS],
            note=(
                f"{card['ranking']['steps']:,} steps of {card['users']:,} test users, 95% "
                "intervals over users. Accuracy: the share of steps at which the reward of the "
                "taken item exceeds that of an item never seen, drawn uniformly or by popularity. "
                "HR and NDCG: the next item among all items, or (masked) among those that the user "
                "has not seen."
            ),
            command=report.command,
        )
    )
    if "truth" in found:
        truth = found["truth"]
        section.add(
            Table(
                "Agreement with the true preference",
                ["who", "Spearman"],
                [
                    ["LE", truth["simulator"]],
                    ["popularity", truth["popularity"]],
                    ["LE minus popularity", Estimate(*truth["difference"])],
                ],
                controls=["popularity"],
                note=f"Per user over unseen items, mean over {truth['users']} held-out users.",
                command=report.command,
            )
        )
    curve = found["curve"]
    if len(curve) > 1:
        steps = [row["step"] for row in curve]
        caption = (
            "Validation users; step 0 is the residual LE before it saw any user. "
            f"{masked_text(bool(learned['mask_seen']))}"
        )
        for metric in ("NDCG@10", "accuracy"):
            values = [row[metric] for row in curve]
            section.add(
                Curves(
                    f"Learning the user: {of_taking(metric)}",
                    caption,
                    [Curve("LE", steps, values)],
                    "optimiser step",
                    of_taking(metric),
                )
            )
