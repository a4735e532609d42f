"""What fits together is checked at the door: d3rlpy's own words for it come from deep inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.wording import shown
from llmrec_env.offline.d3rlpy.library import d3rlpy

CHOICES = {d3rlpy.ActionSpace.DISCRETE: "items", d3rlpy.ActionSpace.CONTINUOUS: "points"}


def check_dataset(algo: Any, dataset: Any) -> None:
    """Refuse a dataset whose actions an algorithm does not choose, or with too long episodes.

    Raises:
        SettingError: it is no dataset of d3rlpy; one has items and the other points.
        DataError: beyond ``max_timestep`` a decision transformer would look for an embedding that
            is not there.
    """
    if not isinstance(dataset, d3rlpy.dataset.ReplayBufferBase):
        raise SettingError(
            f"d3rlpy learns from to_mdp_dataset(…) or collect_episodes(…), got {shown(dataset)}"
        )
    name, info = type(algo).__name__, dataset.dataset_info
    if algo.get_action_type() not in (info.action_space, d3rlpy.ActionSpace.BOTH):
        raise SettingError(
            f"{name} chooses {CHOICES[algo.get_action_type()]}, and the actions of the dataset are "
            f"{CHOICES[info.action_space]}: make it with to_mdp_dataset(…, actions='item') for "
            "algorithms of items, 'embedding' for those of points"
        )
    most = getattr(algo.config, "max_timestep", None)
    longest = max((episode.transition_count for episode in dataset.episodes), default=0)
    if most is not None and longest > most:
        raise DataError(
            f"the longest episode has {longest:,} steps, and {name} knows max_timestep={most:,} of "
            "them: cut the log into shorter ones (to_mdp_dataset(…, max_episode_steps=50)) or "
            "raise max_timestep"
        )


def check_environments(shape: Any, action_size: int, envs: Iterable[Any]) -> None:
    """Refuse environments that observe or do something else than an algorithm learned from.

    Args:
        shape: of the observations that it learned from.
        action_size: of its actions: how many items, or how many numbers a point has.
        envs: where it is to act.

    Raises:
        SettingError: the observations are of another shape, or the actions are others.
    """
    for env in envs:
        if tuple(env.observation_space.shape or ()) != tuple(shape):
            raise SettingError(
                f"the algorithm reads observations of shape {tuple(shape)}, and the environment's "
                f"are {env.observation_space}: after a log make it with observation='bare_state' "
                "(or 'history', of the same history_length)"
            )
        size = getattr(env.action_space, "n", None) or env.action_space.shape[0]
        if size != action_size:
            raise SettingError(
                f"the algorithm learned actions of size {action_size}, and the environment's are "
                f"{env.action_space}: items go with LLMRec/NextItem-v1, points with "
                "LLMRec/ItemEmbedding-v0, both with the users whose items the dataset has"
            )


def environments_in(options: Mapping[str, Any]) -> list[Any]:
    """Those that the further arguments of ``fit`` are going to evaluate in."""
    evaluators = (options.get("evaluators") or {}).values()
    envs = [options.get("eval_env"), *(getattr(e, "_env", None) for e in evaluators)]
    return [env for env in envs if env is not None]
