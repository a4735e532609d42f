"""The registry of a study's teachers, which propose actions; each is built once for a split.

A new teacher is one function under :func:`register_teacher`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from agents.fusion import FromCounts
from agents.teachers import mixed, proposals_of
from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import write_json
from llmrec_env.experiments.study.rankers import make_ranker
from llmrec_env.experiments.study.simulators import open_simulator
from llmrec_env.experiments.study.split_context import SplitContext, as_name
from llmrec_env.offline.augmentation import Proposals, propose

COSTS = "costs.json"
K = 50
"""Proposals kept, of which a method takes as many as it asks for."""
Propose = Callable[[SplitContext], Proposals]
TEACHERS: dict[str, Propose] = {}


def register_teacher(name: str) -> Callable[[Propose], Propose]:
    """Register a function that proposes actions for the training users of a split."""

    def register(make: Propose) -> Propose:
        TEACHERS[name] = make
        return make

    return register


@register_teacher("item-kNN")
def item_neighbours(context: SplitContext) -> Proposals:
    """The item neighbours that validation chose."""
    ranker = FromCounts(make_ranker("item-kNN", context).ranker)
    return proposals_of(ranker, context.train, K)


@register_teacher("LE and item-kNN")
def language_and_neighbours(context: SplitContext) -> Proposals:
    """Both, half and half."""
    own = propose(context.train, open_simulator("LE", context), k=K, candidates=K)
    return mixed([own, open_teacher("item-kNN", context)], K)


def build(name: str, context: SplitContext) -> None:
    """Make a teacher's proposals for a split, unless that is done.

    Raises:
        SettingError: there is no such teacher.
    """
    if name not in TEACHERS:
        raise SettingError(f"no teacher is named {name!r}, only {', '.join(TEACHERS)}")
    if context.folder.has(_piece(name)):
        return
    began = time.process_time()
    found = TEACHERS[name](context)
    with context.folder.making(_piece(name)) as temporary:
        temporary.mkdir()
        write_json(temporary / COSTS, {"proposing": time.process_time() - began})
        np.save(temporary / "actions.npy", found.actions)
        np.save(temporary / "scores.npy", found.scores)


def seconds(name: str, context: SplitContext) -> float:
    """CPU seconds that a teacher's proposals for a split took; 0 where they were not counted."""
    piece = f"{_piece(name)}/{COSTS}"
    return float(context.folder.read(piece)["proposing"]) if context.folder.has(piece) else 0.0


def open_teacher(name: str, context: SplitContext, k: int = K) -> Proposals:
    """The first ``k`` proposals of a teacher, made now if they are not there."""
    build(name, context)
    folder = context.folder.path / _piece(name)
    actions, scores = (np.load(folder / f"{part}.npy")[:, :k] for part in ("actions", "scores"))
    return Proposals(actions, scores)


def _piece(name: str) -> str:
    return f"teachers/{as_name(name)}"
