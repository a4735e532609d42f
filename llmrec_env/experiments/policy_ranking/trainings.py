"""The trainings behind a panel: recommenders, d3rlpy's algorithms, PPO, and a look for faults."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.judge_quality import places
from llmrec_env.evaluation.policies import Policy, SB3Policy
from llmrec_env.experiments.offline_benchmark.datasets import DATASETS
from llmrec_env.experiments.policy_ranking.panel import Panel, Train
from llmrec_env.experiments.ppo import make_ppo, train_ppo

PPO_STAGES = (1 / 16, 1 / 4, 1 / 2, 1.0)
"""Shares of PPO's steps after which the panel keeps it."""
ASKED_USERS = 64
"""Validation users of whom the simulator is asked about every item."""
OVERRATED = "scores.npy"


def recommender(method: str, backbone: str) -> Train:
    """How a recommender is trained: the plain backbone, "SNQN" or "LEASR"."""
    return partial(_train_recommender, method, backbone)


def load_recommender(panel: Panel, folder: Path) -> Policy:
    """The recommender that a training left."""
    from agents import Recommender

    return Recommender.load(folder, panel.split.train.catalogue)


def offline(algorithm: str, dataset: str) -> Train:
    """How an algorithm of d3rlpy is trained on a dataset of the offline benchmark."""
    return partial(_train_offline, algorithm, dataset)


def load_offline(panel: Panel, folder: Path) -> Policy:
    """The algorithm that a training left."""
    from llmrec_env.offline.d3rlpy import D3rlpyPolicy

    return D3rlpyPolicy.load(folder, panel.simulator)


def ppo(panel: Panel, folder: Path, checkpoints: Path) -> None:
    """Train PPO among the simulated users who are no test users, and keep its stages."""
    from safetensors.torch import save_file

    folder.mkdir()

    def keep(model: Any, stage: int) -> None:
        save_file(model.policy.state_dict(), folder / _stage_file(stage))

    stages = [round(share * panel.ppo_steps) for share in PPO_STAGES]
    train_ppo(
        panel.simulator,
        panel.split.train,
        panel.ppo_steps,
        panel.ppo_envs,
        panel.seed,
        stages,
        keep,
    )


def load_ppo(stage: int, panel: Panel, folder: Path) -> Policy:
    """PPO as it stood after one of its stages."""
    from safetensors.torch import load_file

    model = make_ppo(panel.simulator, panel.split.train, panel.ppo_steps, 1, panel.seed)
    model.policy.load_state_dict(load_file(folder / _stage_file(stage)))
    return SB3Policy(model)


def overrated(panel: Panel, folder: Path, checkpoints: Path) -> None:
    """Find which items the simulator likes more than validation users take them.

    An item's score is its place by the mean reward that the simulator gives it, halfway through
    the logs of validation users, less its place by how often these users took it afterwards.
    """
    validation = InitialHistories(panel.split.validation)
    users = validation.eligible[:ASKED_USERS]
    histories = [validation.history(user) for user in users]
    everything = np.arange(panel.simulator.n_items)
    told = [panel.simulator.score([own], everything[None])[0] for own in histories]
    later = [validation.log.sequence(user)[validation.cuts[user] :] for user in validation.eligible]
    taken = np.bincount(np.concatenate(later), minlength=len(everything))
    folder.mkdir()
    np.save(folder / OVERRATED, places(np.mean(told, axis=0)) - places(taken))


def load_overrated(folder: Path) -> FloatArray:
    """By how many places each item is overrated, float32 (n_items,)."""
    return np.load(folder / OVERRATED, allow_pickle=False).astype(np.float32)


def _stage_file(stage: int) -> str:
    return f"stage-{stage}.safetensors"


def _train_recommender(
    method: str, backbone: str, panel: Panel, folder: Path, checkpoints: Path
) -> None:
    from agents import LEA, SNQN, Supervised

    settings: dict[str, Any] = {"epochs": panel.epochs, "seed": panel.seed}
    if method == "plain":
        fitted = Supervised(backbone, **settings)
    else:
        makers: dict[str, Any] = {"SNQN": SNQN, "LEASR": LEA}
        fitted = makers[method](backbone, target="periodic", **settings)
    fitted.fit(panel.split.train, panel.simulator, panel.split.validation, checkpoints)
    fitted.save(folder)


def _train_offline(
    algorithm: str, dataset: str, panel: Panel, folder: Path, checkpoints: Path
) -> None:
    from llmrec_env.offline.d3rlpy import ALGORITHMS, D3rlpyPolicy, to_mdp_dataset, train

    table = DATASETS[dataset].make(panel.split.train, panel.simulator, panel.seed)
    algo = ALGORITHMS[algorithm].create(table.kind, table.n_items)
    train(algo, to_mdp_dataset(table), panel.d3rlpy_steps, panel.seed)
    observation: Any = "history" if table.kind == "history" else "state"
    D3rlpyPolicy(algo, observation, panel.simulator).save(folder)
