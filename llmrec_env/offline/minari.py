"""``to_minari``: a collected log as a Minari dataset, from which its environment can be made again.

Minari keeps datasets in ``$MINARI_DATASETS_PATH``, else in ``~/.minari/datasets``, by ids such as
``llmrec/true-taste/random-v0``.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.extras import require
from llmrec_env.common.files import atomic_path, read_json
from llmrec_env.common.wording import shown
from llmrec_env.offline.collected import CollectedLog

DATASET_ID = re.compile(r"(?P<namespace>[-\w]+(/[-\w]+)*)/[-\w]+-v\d+")


def to_minari(
    log: CollectedLog, dataset_id: str, author: str | None = None, description: str = ""
) -> Any:
    """Write a collected log as a dataset of Minari, whole or not at all.

    An episode has its observations, also the last, actions (item indices), rewards and ends; in
    ``infos`` the propensity and whether the item was taken, both of the step that led there, so
    that the first row, of the reset, has NaN and false; and in its options the ``user_id`` with
    which ``reset`` begins it. ``recover_environment()`` makes the environment in which the log was
    collected, if its simulated users can be found by name.

    Args:
        log: the log.
        dataset_id: ``namespace/name-v0``, the namespace of any depth.
        author: who collected it.
        description: in words.

    Returns:
        The ``minari.MinariDataset``.

    Raises:
        SettingError: the id is none, or there is such a dataset already.
        MissingExtraError: Minari is not installed.
    """
    minari = require("minari", "minari")
    storage = require("minari.dataset.minari_storage", "minari").MinariStorage
    place = _place(dataset_id)
    if place.exists():
        raise _exists(dataset_id, place)
    _make_namespace(dataset_id)
    with atomic_path(place) as folder:
        (folder / "data").mkdir(parents=True)
        data = storage.new(
            folder / "data",
            observation_space=_box(log),
            action_space=spaces.Discrete(log.n_items),
            env_spec=environment_of(log),
        )
        data.update_metadata(_metadata(log, dataset_id, author, description, minari.__version__))
        data.update_episodes(_episodes(log))
    return minari.load_dataset(dataset_id)


def is_written(dataset_id: str, about: Mapping[str, Any]) -> bool:
    """Whether Minari has the dataset of a log that was collected so.

    Args:
        dataset_id: of the dataset.
        about: what the log says of how it was collected.

    Raises:
        SettingError: it is no id with a namespace, or there is another dataset of this id.
        MissingExtraError: Minari is not installed.
    """
    place = _place(dataset_id)
    if not place.exists():
        return False
    try:
        known = read_json(place / "data" / "metadata.json")["collection"]
    except (OSError, DataError, KeyError, TypeError):
        known = None
    if known != json.loads(json.dumps(dict(about))):
        raise _exists(dataset_id, place)
    return True


def _place(dataset_id: str) -> Path:
    """Where a dataset of this id stands, or is to stand."""
    path = require("minari.storage", "minari").get_dataset_path
    if not DATASET_ID.fullmatch(dataset_id):
        raise SettingError(
            "a Minari id is namespace/name-v0, such as llmrec/true-taste/random-v0; got "
            f"{shown(dataset_id)}"
        )
    return Path(path(dataset_id))


def _exists(dataset_id: str, place: Path) -> SettingError:
    return SettingError(
        f"Minari has another dataset {dataset_id} already, in {place}; give another name or "
        f"version, or remove it: minari delete {dataset_id}"
    )


def environment_of(log: CollectedLog) -> EnvSpec | None:
    """What ``gym.make`` needs to make the log's environment; None where it cannot be named."""
    told = log.about.get("environment")
    if told is None or told["kwargs"].get("simulator") is None:
        return None
    spec = copy.copy(gym.spec(told["id"]))
    spec.kwargs = {**spec.kwargs, **told["kwargs"]}
    spec.max_episode_steps = told["max_episode_steps"]
    return spec


def _make_namespace(dataset_id: str) -> None:
    namespaces = require("minari.namespace", "minari")
    name = dataset_id.rpartition("/")[0]
    if name not in namespaces.list_local_namespaces():
        namespaces.create_namespace(name, "Logs of recommender policies among simulated users.")


def _box(log: CollectedLog) -> spaces.Box:
    return spaces.Box(-1.0, 1.0, shape=log.observations.shape[1:], dtype=np.float32)


def _metadata(
    log: CollectedLog, dataset_id: str, author: str | None, description: str, minari_version: str
) -> dict[str, Any]:
    told = {
        "dataset_id": dataset_id,
        "minari_version": minari_version,
        "algorithm_name": str(log.about.get("policy", "unknown")),
        "description": description
        or "What a policy showed to users of a recommender, with propensities in the infos.",
        "requirements": [f"llmrec-env>={version('llmrec-env')}"],
        "collection": dict(log.about),
    }
    return told if author is None else told | {"author": {author}}


def _episodes(log: CollectedLog) -> Iterator[Any]:
    buffer = require("minari.data_collector", "minari").EpisodeBuffer
    for episode, rows in enumerate(log.episode_rows):
        ends = np.zeros(rows.stop - rows.start, dtype=np.bool_)
        ends[-1] = True
        gone = log.terminated[episode]
        yield buffer(
            id=episode,
            options={"user_id": log.user_ids[episode]},
            observations=np.vstack([log.observations[rows], log.last_observations[episode]]),
            actions=log.items[rows],
            rewards=log.rewards[rows].astype(np.float64),
            terminations=ends & gone,
            truncations=ends & ~gone,
            infos={
                "propensity": np.concatenate([[np.nan], log.propensities[rows]]),
                "accepted": np.concatenate([[False], log.accepted[rows]]),
            },
        )
