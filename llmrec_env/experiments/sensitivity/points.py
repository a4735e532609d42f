"""``Point``: one training or ranker of a sensitivity study, and its saved results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.config import RecommenderConfig
from llmrec_env.common.arrays import Float64Array, FloatArray
from llmrec_env.common.errors import DivergedError
from llmrec_env.common.files import write_json
from llmrec_env.common.run_folder import check_same
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import Ranker, both_step_ranks, evaluate_ranking, ranking_metrics
from llmrec_env.experiments.sensitivity.projection import encoder_states, mapped_users
from llmrec_env.experiments.sensitivity.sweeps import Sweep, Value
from llmrec_env.experiments.study.fit import fit_method
from llmrec_env.experiments.study.methods import METHODS, PLAIN
from llmrec_env.experiments.study.rankers import ALONE, make_ranker
from llmrec_env.experiments.study.simulators import open_simulator
from llmrec_env.experiments.study.split_context import SplitContext, as_name
from llmrec_env.reporting import versions

Row = dict[str, Any]
KS = (10,)
METRIC = "NDCG@10"
LOSS = "supervised"
"""The term of every objective here on the logged actions."""
RANKED_PARTS = ("validation", "test", "masked", "unmasked", "training")
NO_ROW: Row = {**{part: {} for part in RANKED_PARTS}, "loss": None, "kept pass": None}


@dataclass(frozen=True)
class Point:
    """A method with one setting moved and a training seed, or a ranker without a backbone.

    Attributes:
        method: a method, or a row of :mod:`llmrec_env.experiments.study.rankers`.
        backbone: the sequence encoder; None for a ranker.
        seed: of the training; None for a ranker.
        setting: the field that differs from the method's; empty where none does.
        value: of that field.
    """

    method: str
    backbone: str | None = None
    seed: int | None = None
    setting: str = ""
    value: Value = 0

    @property
    def name(self) -> str:
        """What to call it while it runs."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        moved = f", {self.setting} {self.value:g}" if self.setting else ""
        return f"{self.method}{moved}{seed}"

    @property
    def asks_simulator(self) -> bool:
        """Whether a simulated user has to be there first."""
        if self.backbone is None:
            return self.method.endswith(ALONE)
        return METHODS[self.method].simulator is not None

    @property
    def piece(self) -> str:
        """The folder of its results, in that of the split."""
        if self.backbone is None:
            return f"points/{as_name(self.method)}"
        moved = f"{self.setting}={self.value!r}" if self.setting else "as_it_is"
        return f"points/{self.backbone}/{as_name(self.method)}/{moved}/seed{self.seed}"

    def folder(self, context: SplitContext) -> Path:
        """Where its results are; there as a whole or not at all."""
        return context.folder.path / self.piece

    def is_done(self, context: SplitContext) -> bool:
        """Whether its results are there."""
        return context.folder.has(f"{self.piece}/row.json")

    def config(self, context: SplitContext) -> RecommenderConfig:
        """All settings of its training."""
        assert self.backbone is not None
        changes = {self.setting: self.value} if self.setting else {}
        method = METHODS[self.method]
        return method.config(self.backbone, **context.passes, seed=self.seed, **changes)


def point_of(sweep: Sweep, value: Value, backbone: str, seed: int) -> Point:
    """The training behind a value of a curve; the same for what is the same training."""
    if sweep.setting == "augment_share" and value == 0:
        return Point(PLAIN, backbone, seed)
    if value == sweep.usual:
        return Point(sweep.method, backbone, seed)
    return Point(sweep.method, backbone, seed, sweep.setting, value)


def do_point(point: Point, context: SplitContext) -> None:
    """Train, if there is something to train, rank and write it down."""
    row: Row = {**NO_ROW, "diverged": False, "seconds": {}, "config": {}, "versions": versions()}
    try:
        with context.folder.making(point.piece) as folder:
            folder.mkdir()
            row |= (
                _ranker(point, context, folder)
                if point.backbone is None
                else _trained(point, context, folder)
            )
            write_json(folder / "row.json", row)
    except DivergedError:  # a finding: this value is too much
        row |= {"diverged": True, "config": point.config(context).settings}
        with context.folder.making(point.piece) as folder:
            folder.mkdir()
            write_json(folder / "curve.json", [])
            write_json(folder / "row.json", row)


def check_point(point: Point, context: SplitContext) -> None:
    """Refuse what an earlier version left under this name with other settings.

    Raises:
        SettingError: the settings are others.
    """
    if point.backbone is None or not point.is_done(context):
        return
    made_with, now = read_row(point, context)["config"], point.config(context).settings
    # Earlier versions wrote the settings of other backbones and objectives too.
    own = {name: value for name, value in made_with.items() if name in now}
    check_same(point.folder(context), own, now)


def read_row(point: Point, context: SplitContext) -> Row:
    """What a point found."""
    row: Row = context.folder.read(f"{point.piece}/row.json")
    return row


def read_curve(point: Point, context: SplitContext) -> list[dict[str, float]]:
    """Losses and validation metrics before learning and after each pass."""
    rows: list[dict[str, float]] = context.folder.read(f"{point.piece}/curve.json")
    return rows


def read_ranks(point: Point, context: SplitContext) -> Float64Array:
    """The rank of the taken item at every test step."""
    ranks: Float64Array = np.load(point.folder(context) / "ranks.npy")
    return ranks


def read_states(point: Point, context: SplitContext) -> FloatArray:
    """The states of the mapped test users."""
    states: FloatArray = np.load(point.folder(context) / "states.npy")
    return states


def _trained(point: Point, context: SplitContext, folder: Path) -> Row:
    recommender = fit_method(METHODS[point.method], context, point.config(context))
    history = recommender.history
    kept = max(range(len(history)), key=lambda number: history[number][METRIC])
    split = context.source.split
    write_json(folder / "curve.json", history)
    if point.method == PLAIN and point.seed == 0:
        users = mapped_users(split.test, context.split)
        np.save(folder / "states.npy", encoder_states(recommender, users.sequences()))
    return {
        **_ranked(recommender, context, folder),
        "training": evaluate_ranking(
            recommender, _like(split.train, split.validation), KS, context.mask_seen
        ),
        "loss": history[kept].get(LOSS),
        "kept pass": kept,
        "seconds": recommender.seconds,
        "config": recommender.config.settings,
    }


def _ranker(point: Point, context: SplitContext, folder: Path) -> Row:
    if point.method.endswith(ALONE):
        simulator = open_simulator(point.method.removesuffix(ALONE), context)
        users = mapped_users(context.test, context.split)
        np.save(folder / "states.npy", simulator.open(users.sequences()).states)
    return _ranked(make_ranker(point.method, context).ranker, context, folder)


def _ranked(ranker: Ranker, context: SplitContext, folder: Path) -> Row:
    split = context.source.split
    masked, ranks = context.mask_seen, both_step_ranks(ranker, split.test)
    np.save(folder / "ranks.npy", ranks[masked])
    return {
        "validation": evaluate_ranking(ranker, split.validation, KS, masked),
        "test": {**ranking_metrics(ranks[masked], KS), "mask_seen": masked},
        "masked": ranking_metrics(ranks[True], KS),
        "unmasked": ranking_metrics(ranks[False], KS),
    }


def _like(train: InteractionLog, validation: InteractionLog) -> InteractionLog:
    """As many training users as there are validation users, the same ones for all points."""
    count = min(train.n_users, validation.n_users)
    users = np.random.default_rng(0).choice(train.n_users, count, replace=False)
    return train.select_users(np.sort(users))
