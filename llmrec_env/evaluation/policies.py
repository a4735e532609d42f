"""``Policy``, the interface of what acts in an environment; random, popular and SB3 policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.next_item.observations import Observation
from llmrec_env.evaluation.sb3_observations import seen_by
from llmrec_env.users.base import BESIDE_STATE, UserSimulator


class Policy(Protocol):
    """Anything that scores all items for a batch of observations.

    It may have attributes ``observation``, the form of observation that it reads (``"state"``,
    ``"history"`` or ``"both"``, the default), and ``history_length``; and a method
    ``begin(n_items)``, called before the first episode of an evaluation.
    """

    def action_scores(self, observation: Observation) -> FloatArray:
        """Float32 (N, n_items), higher is better, for N observations (an array or a dict)."""
        ...


def greedy_actions(policy: Policy, observation: Observation, allowed: BoolArray) -> IntArray:
    """What a policy shows: its best-scored allowed item, for each of N observations.

    Args:
        policy: who scores.
        observation: N observations.
        allowed: bool (N, n_items), at least one item a row.

    Returns:
        Item indices, int64 (N,); among equals the first.

    Raises:
        DataError: the scores have another shape than ``allowed``, or are NaN.
    """
    best: IntArray = allowed_scores(policy, observation, allowed).argmax(axis=1)
    return best


def allowed_scores(policy: Policy, observation: Observation, allowed: BoolArray) -> FloatArray:
    """A policy's scores, float32 (N, n_items), minus infinity where an item is not allowed.

    Arguments and errors are those of :func:`greedy_actions`.
    """
    try:
        scores = np.asarray(policy.action_scores(observation))
    except Exception as error:  # the policy's own: it goes on as it is
        if _reads_nothing_named(policy, observation):
            error.add_note(_hint(policy, observation))
        raise
    if scores.shape != allowed.shape or np.isnan(scores).any():
        raise DataError(
            f"{type(policy).__name__}.action_scores gave an array of shape {scores.shape}; "
            f"expected {allowed.shape} (users by items of the simulated users), without NaN; "
            f"{_hint(policy, observation)}"
        )
    return np.where(allowed, scores, -np.inf)


def _reads_nothing_named(policy: Policy, observation: Observation) -> bool:
    """Whether a policy got a dict because it does not say what it reads."""
    return getattr(policy, "observation", None) is None and isinstance(observation, dict)


def _hint(policy: Policy, observation: Observation) -> str:
    """Why a policy's scores may be of another shape."""
    if _reads_nothing_named(policy, observation):
        return (
            f"{type(policy).__name__} has no attribute `observation`, so it was passed a dict of "
            f"{' and '.join(f'{name} {array.shape}' for name, array in observation.items())}; set "
            "observation = 'state' or 'history' on it to be passed that array alone"
        )
    return "judge a policy among users of the items that it learned to recommend"


class RandomPolicy:
    """Shows an item drawn uniformly; begins anew with its seed at every evaluation."""

    observation = "state"

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self.begin(0)

    def begin(self, n_items: int) -> None:
        """Start the sequence of draws over ``n_items`` items."""
        self._generator = np.random.default_rng(self._seed)
        self._n_items = n_items

    def action_scores(self, observation: Observation) -> FloatArray:
        """Uniform scores, float32 (N, n_items)."""
        return self._generator.random((_rows(observation), self._n_items), dtype=np.float32)


class PopularPolicy:
    """Shows the item that occurs most often in a log."""

    name = "popular"
    observation = "state"

    def __init__(self, log: InteractionLog) -> None:
        self._counts = log.item_counts().astype(np.float32)

    def action_scores(self, observation: Observation) -> FloatArray:
        """Each item's count, float32 (N, n_items)."""
        return np.broadcast_to(self._counts, (_rows(observation), len(self._counts)))


class PreferencePolicy:
    """Shows what a simulated user's own action model ranks highest."""

    name = "own choice"
    observation = "state"

    def __init__(self, simulator: UserSimulator) -> None:
        self._simulator = simulator

    def action_scores(self, observation: Observation) -> FloatArray:
        """The user's logits, float32 (N, n_items)."""
        assert not isinstance(observation, dict)
        return self._simulator.preferences(observation[:, : self._simulator.state_size])


class SB3Policy:
    """A model of stable-baselines3 or sb3-contrib that chooses among items.

    The scores are the logits of a stochastic policy (PPO, A2C, TRPO, ``MaskablePPO``) or the
    Q-values of DQN and QRDQN. ``observation`` and ``history_length`` follow from the space that
    the model was made for.

    Observations go through what the model learned behind: ``VecNormalize``,
    ``NormalizeObservation`` of a single environment, ``RescaleObservation`` and other
    ``TransformObservation``. A model that was loaded comes without its environment: pass it to
    ``load``, or say in ``observations`` what it sees.

    Args:
        model: with the environment that it learned in, or one that saw observations as they are.
        observations: a function from N observations of the environment to what the model sees,
            instead of what its environment says, such as ``VecNormalize.normalize_obs``.

    Raises:
        SettingError: the model has neither, is recurrent, or its actions are not items; or it
            learned behind a wrapper that cannot be followed, or that scales item indices.
    """

    def __init__(self, model: Any, observations: Callable[[Any], Any] | None = None) -> None:
        self.model = model
        self.name = type(model).__name__
        space, self._transforms = (
            seen_by(model) if observations is None else (model.observation_space, [observations])
        )
        self.observation, self.history_length = _form(space)
        self._cut = _state_width(space)
        if not isinstance(model.action_space, spaces.Discrete):
            raise SettingError(
                f"a policy that scores items chooses among them, not {model.action_space}; judge "
                "this model with llmrec_env.evaluate_agent, which takes any actions"
            )
        self._scores = _score_function(model)

    def check_observations(self, space: spaces.Space[Any], state_size: int) -> None:
        """Refuse users who give other observations than the model learned from.

        Raises:
            SettingError: they do.
        """
        given = _state_width(space)
        if self._cut not in (None, given, state_size, state_size + BESIDE_STATE):
            raise SettingError(
                f"the model sees {self._cut} numbers, and these users give {given}: judge it with "
                "the simulator (--simulator) and, in Python, the settings (such as candidates=) "
                "that it learned with"
            )

    def action_scores(self, observation: Observation) -> FloatArray:
        """Logits or Q-values, float32 (N, n_items)."""
        import torch

        observation = self._within_space(observation)
        for transform in self._transforms:
            observation = transform(observation)
        self.model.policy.set_training_mode(False)
        with torch.no_grad():
            tensor, _ = self.model.policy.obs_to_tensor(observation)
            return self._scores(tensor).float().cpu().numpy()

    def _within_space(self, observation: Observation) -> Observation:
        """What of it the model was made for: an older version of the environment told less."""
        if self._cut is None:
            return observation
        if isinstance(observation, dict):
            return observation | {"state": observation["state"][:, : self._cut]}
        return observation[:, : self._cut]


def _state_width(space: spaces.Space[Any]) -> int | None:
    """How many numbers of an observation's state part a model sees; None where it sees none."""
    if isinstance(space, spaces.Dict):
        return _state_width(space["state"])
    assert space.shape is not None
    return None if space.dtype == np.int64 else space.shape[0]


def _score_function(model: Any) -> Any:
    policy = model.policy
    if hasattr(policy, "q_net"):
        return policy.q_net
    if hasattr(policy, "quantile_net"):
        return lambda observation: policy.quantile_net(observation).mean(dim=1)
    if hasattr(policy, "get_distribution") and not hasattr(policy, "lstm_actor"):
        return lambda observation: policy.get_distribution(observation).distribution.logits
    raise SettingError(
        f"{type(model).__name__} does not score every action by the observation alone; "
        "use PPO, A2C, TRPO, MaskablePPO, DQN or QRDQN"
    )


def _form(space: spaces.Space[Any]) -> tuple[str, int | None]:
    """The kind of observation in a space, and the length of its history."""
    if isinstance(space, spaces.Dict):
        return "both", _form(space["history"])[1]
    assert space.shape is not None
    return ("history", space.shape[0]) if space.dtype == np.int64 else ("state", None)


def _rows(observation: Observation) -> int:
    return len(observation["state"] if isinstance(observation, dict) else observation)
