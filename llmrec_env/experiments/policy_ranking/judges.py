"""``JUDGES``: who may order the policies of a panel, by name.

Three kinds: users who are asked (:class:`AskedUsers`), people whose log is read (:class:`OfLog`),
and the mean place in the orders of others (:class:`MeanPlace`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from llmrec_env.common.errors import SettingError
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.experiments.fidelity.lesson import Lesson, LikedRule
from llmrec_env.experiments.fidelity.rows.base import ScoringRow
from llmrec_env.experiments.fidelity.rows.explicit_factors import ExplicitFactors
from llmrec_env.experiments.fidelity.rows.implicit_factors import ImplicitFactors
from llmrec_env.experiments.le_members import save_with_members
from llmrec_env.experiments.policy_ranking.panel import Panel, Train
from llmrec_env.language.member_learning import MembersConfig
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.scored import ScoredUser

Need = Literal["truth", "other half"]
"""What a judge needs that not every panel has: users whose true answers are known, or a half of the
training users that was kept from the policies."""


@dataclass(frozen=True)
class AskedUsers:
    """Users, simulated or true, among whom each policy acts.

    Attributes:
        label: how tables call them.
        make: the users, from the panel and the folder that their training filled.
        training: the name of their training in ``JUDGE_TRAININGS``, if they have one.
        settings: of the environment in which they are asked.
        luck: added to the seed of the users and of their luck.
        need: what not every panel has.
    """

    label: str
    make: Callable[[Panel, Path], UserSimulator]
    training: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    luck: int = 0
    need: Need | None = None


@dataclass(frozen=True)
class OfLog:
    """People of a log, who are not asked.

    Attributes:
        label: how tables call them.
        reads: "later": what held-out users took later; "one-step", "doubly-robust": what a
            recommender that explores was logged to earn, step by step.
        need: what not every panel has.
    """

    label: str
    reads: Literal["later", "one-step", "doubly-robust"]
    need: Need | None = None

    @property
    def explores(self) -> bool:
        """Whether the log is that of a recommender that explores among true users."""
        return self.reads != "later"


@dataclass(frozen=True)
class MeanPlace:
    """The mean of a policy's places in the orders of other judges.

    Attributes:
        label: how tables call it.
        of: names in :data:`JUDGES`.
    """

    label: str
    of: tuple[str, ...]


Judge = AskedUsers | OfLog | MeanPlace


def _members(panel: Panel, folder: Path) -> UserSimulator:
    return LanguageUser.from_pretrained(folder).with_users(panel.people)


def _factors(panel: Panel, folder: Path) -> UserSimulator:
    """Users who answer by matrix factorisation: of ratings where the log has them."""
    scale = FeedbackScale.of(panel.judging)
    rated = scale is not None and scale.source == "rating"
    row: ScoringRow = ExplicitFactors() if rated else ImplicitFactors()
    lesson = Lesson(panel.judging, panel.split.validation, LikedRule(), True, panel.seed)
    row.fit(lesson, folder)
    return ScoredUser(
        row.scores,
        panel.split.validation,
        panel.people,
        feedback_source="rating" if rated else None,
        seed=panel.seed,
    )


def _true(panel: Panel, folder: Path) -> UserSimulator:
    assert panel.truth is not None
    return panel.truth


def _learn_members(panel: Panel, folder: Path, checkpoints: Path) -> None:
    """Give the LE members, from the users from whom it learned."""
    config = MembersConfig(seed=panel.seed).scaled(panel.budget)
    save_with_members(panel.simulator_folder, panel.split, config, checkpoints, folder)


JUDGE_TRAININGS: dict[str, Train] = {"members": _learn_members}
_PESSIMISM = 1.0

JUDGES: dict[str, Judge] = {
    "le": AskedUsers("LE", lambda panel, folder: panel.simulator),
    "ensemble": AskedUsers("LE's members, their mean", _members, "members"),
    "pessimistic": AskedUsers(
        "LE's members, pessimistic", _members, "members", {"pessimism": _PESSIMISM}
    ),
    "other-le": AskedUsers(
        "LE of other users",
        lambda panel, folder: LanguageUser.from_pretrained(folder).with_users(panel.people),
        "le of the judge",
        need="other half",
    ),
    "factors": AskedUsers("matrix factorisation", _factors),
    "later": OfLog("later takes", "later"),
    "without-le": MeanPlace("factors, later takes", ("factors", "later")),
    "kinds": MeanPlace("LE, factors, later takes", ("le", "factors", "later")),
    "one-step": OfLog("one-step SN-IS", "one-step", need="truth"),
    "doubly-robust": OfLog("one-step SN-DR by the LE", "doubly-robust", need="truth"),
    "kinds-and-log": MeanPlace(
        "the three and one-step SN-IS", ("le", "factors", "later", "one-step")
    ),
    "true-again": AskedUsers("true users, other luck", _true, luck=1, need="truth"),
}
"""Every judge; the cheap ones of a kind first."""


def needed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Judges with those whose places they average, in the order of :data:`JUDGES`.

    Raises:
        SettingError: there is none, or a name is unknown or given twice.
    """
    unknown = [name for name in names if name not in JUDGES]
    if unknown:
        raise SettingError(f"no judge {', '.join(unknown)}: expected {', '.join(JUDGES)}")
    if not names or len(set(names)) < len(names):
        told = ",".join(names) or "none"
        raise SettingError(f"judges must be one or more, each named once; got {told}")
    wanted = set(names)
    for name in names:
        judge = JUDGES[name]
        wanted |= set(judge.of) if isinstance(judge, MeanPlace) else set()
    return tuple(name for name in JUDGES if name in wanted)


def reads_log(judge: Judge) -> bool:
    """Whether a judge reads the log of a recommender that explores."""
    return isinstance(judge, OfLog) and judge.explores


def lacks(name: str, has_truth: bool, cross_fit: bool) -> bool:
    """Whether a panel cannot have a judge, or one whose places it averages."""
    judge = JUDGES[name]
    if isinstance(judge, MeanPlace):
        return any(lacks(own, has_truth, cross_fit) for own in judge.of)
    return (judge.need == "truth" and not has_truth) or (
        judge.need == "other half" and not cross_fit
    )


def halves(count: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rows of ``count`` users in two halves drawn by chance, each in order."""
    order = np.random.default_rng([seed, 2]).permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 :])
