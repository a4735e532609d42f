"""Trains one method on a split, with the simulator and the teacher that it uses."""

from __future__ import annotations

import json

from agents.config import RecommenderConfig
from agents.recommender import Recommender
from llmrec_env.common.files import fingerprint, write_json
from llmrec_env.experiments.study.methods import PLAIN, Method
from llmrec_env.experiments.study.simulators import item_vectors, open_simulator
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.experiments.study.teachers import open_teacher

SECONDS = "seconds.json"


def fit_method(method: Method, context: SplitContext, config: RecommenderConfig) -> Recommender:
    """Train a method on a split, with the simulated user and the teacher that it names.

    Plain backbones are kept: what is fused with others in service begins with one.

    Args:
        method: what to train.
        context: the split.
        config: all settings, the method's own among them.
    """
    if method.name == PLAIN or method.fused_with is not None:
        return _plain(context, config)
    simulator = None if method.simulator is None else open_simulator(method.simulator, context)
    proposals = None
    if method.teacher is not None:
        proposals = open_teacher(method.teacher, context, config.language.augment_k)
    vectors = None
    if config.reads_vectors and method.simulator is not None:
        vectors = item_vectors(method.simulator, context)
    split = context.source.split
    return Recommender(config).fit(
        split.train, simulator, split.validation, proposals=proposals, item_vectors=vectors
    )


def _plain(context: SplitContext, config: RecommenderConfig) -> Recommender:
    own = fingerprint([json.dumps(config.settings, sort_keys=True)])
    name = f"seed{config.training.seed}-{own}"
    folder, piece = context.folder, f"plain/{config.backbone.name}/{name}"
    if not folder.has(piece):
        fitted = Recommender(config).fit(context.train, None, context.validation)
        with folder.making(piece) as temporary:
            fitted.save(temporary)
            write_json(temporary / SECONDS, fitted.seconds)
        return fitted
    path = folder.path / piece
    recommender = Recommender.load(path, context.train.catalogue, config.training.device)
    recommender.seconds = folder.read(f"{piece}/{SECONDS}")
    return recommender
