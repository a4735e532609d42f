"""``fitted_values``: fitted Q evaluation (Le et al., 2019) with d3rlpy, of any policy.

d3rlpy evaluates its own algorithms, at what they find best. Here the policy is known by actions
that were drawn from it at every step of the log (:class:`Target`), so it may choose by chance, see
histories and leave out what was seen. What was drawn is found again by the number of the step,
which goes along as the observation's last number and is kept from the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.extras import require
from llmrec_env.evaluation.ope.episodes import ROWS, LoggedEpisodes, Probabilities, Target
from llmrec_env.evaluation.ope.estimators import Values
from llmrec_env.offline.d3rlpy.library import d3rlpy, quiet, seeded
from llmrec_env.offline.d3rlpy.training import train

require("d3rlpy", "d3rlpy")
from d3rlpy.models.encoders import EncoderFactory  # noqa: E402
from d3rlpy.models.torch import Encoder  # noqa: E402

STEPS_KNOWN = 2**24
"""Steps whose number a float32 still tells exactly."""


def fitted_values(
    episodes: LoggedEpisodes,
    target: Target,
    probabilities: Probabilities,
    n_actions: int,
    n_steps: int = 2000,
    discount: float = 1.0,
    hidden: int = 128,
    seed: int = 0,
    **settings: Any,
) -> Values:
    """Learn what a policy is worth at the steps of another's log.

    Args:
        episodes: the log, with observations that tell what values depend on: patience and steps
            left too.
        target: the policy's draws at these steps.
        probabilities: the same policy's probability of every action.
        n_actions: how many there are.
        n_steps: gradient steps.
        discount: of later rewards. Every episode's end is the end of what can be earned.
        hidden: width of the network's two layers.
        seed: of weights and batches.
        settings: of d3rlpy's ``FQEConfig``, instead of ours: learning rate .001, batches of 256,
            the target copied every 50 steps.

    Raises:
        DataError: there are no observations or no draws, or too many steps.
        MissingExtraError: d3rlpy is not installed.
    """
    _check(episodes, target)
    rows = np.arange(len(episodes), dtype=np.float32)[:, None]
    observed: FloatArray = np.concatenate([episodes.observations, rows], axis=1)
    settings = {
        **{"learning_rate": 1e-3, "batch_size": 256, "target_update_interval": 50},
        **settings,
    }
    config = d3rlpy.ope.FQEConfig(
        encoder_factory=_WithoutStep(hidden=hidden), gamma=discount, **settings
    )
    with quiet(), seeded(seed):
        fqe = d3rlpy.ope.DiscreteFQE(_Drawn(target.draws, seed), config)
        dataset = _dataset(episodes, observed, n_actions)
    train(fqe, dataset, n_steps, seed)
    return _read(fqe, observed, episodes.actions, probabilities)


def _read(
    fqe: Any, observed: FloatArray, actions: IntArray, probabilities: Probabilities
) -> Values:
    action, state = np.empty(len(observed)), np.empty(len(observed))
    q_function = fqe.impl.modules.q_funcs[0]
    fqe.impl.modules.set_eval()
    for start in range(0, len(observed), ROWS):
        rows = np.arange(start, min(start + ROWS, len(observed)))
        with torch.no_grad():
            told = q_function(torch.from_numpy(observed[rows])).q_value.numpy()
        q: Float64Array = told.astype(np.float64)
        action[rows] = q[np.arange(len(rows)), actions[rows]]
        state[rows] = (probabilities(rows) * q).sum(axis=1)
    return Values(action, state)


def _dataset(episodes: LoggedEpisodes, observed: FloatArray, n_actions: int) -> Any:
    ends = np.zeros(len(episodes), dtype=np.float32)
    ends[episodes.offsets[1:] - 1] = 1.0
    return d3rlpy.dataset.MDPDataset(
        observations=observed,
        actions=episodes.actions[:, None],
        rewards=episodes.rewards.astype(np.float32)[:, None],
        terminals=ends,
        action_space=d3rlpy.ActionSpace.DISCRETE,
        action_size=n_actions,
    )


def _check(episodes: LoggedEpisodes, target: Target) -> None:
    if not len(episodes.observations):
        raise DataError("fitted Q evaluation learns from observations; the episodes have none")
    if target.draws.shape[:1] != (len(episodes),) or not target.draws.size:
        raise DataError("fitted Q evaluation needs actions of the policy: read_target(…, draws=8)")
    if len(episodes) > STEPS_KNOWN:
        raise DataError(f"fitted Q evaluation knows {STEPS_KNOWN:,} steps at most")


class _Drawn:
    """What d3rlpy takes for the algorithm to evaluate: it shows one of a step's draws."""

    def __init__(self, draws: IntArray, seed: int) -> None:
        self.impl = self
        self._draws = torch.from_numpy(draws)
        self._generator = torch.Generator().manual_seed(seed)

    def predict_best_action(self, observations: Tensor) -> Tensor:
        """One of the actions drawn at these steps, int64 (N,)."""
        rows = observations[:, -1].long().cpu()
        column = torch.randint(self._draws.shape[1], rows.shape, generator=self._generator)
        return self._draws[rows, column].to(observations.device)


class _Network(Encoder):
    """Two layers over all numbers of an observation but the last."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )

    def forward(self, x: Any) -> Tensor:
        """Features (N, hidden) of observations (N, inputs + 1)."""
        features: Tensor = self.layers(x[:, :-1])
        return features


@dataclass()
class _WithoutStep(EncoderFactory):
    """Makes networks that do not see the number of the step."""

    hidden: int = field(default=128)

    def create(self, observation_shape: Any) -> Encoder:
        return _Network(observation_shape[0] - 1, self.hidden)

    def create_with_action(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("items are scored all at once")

    @staticmethod
    def get_type() -> str:
        return "llmrec_without_step"
