"""``ObservationBuilder``: the observation space, and the observations of N users."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from llmrec_env.common.arrays import FloatArray
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.next_item.candidates import CandidateActions
from llmrec_env.envs.next_item.users_in_episodes import UsersInEpisodes
from llmrec_env.users.base import BESIDE_STATE

Observation = Any
"""float32 or int64 array, or a dict of the two."""

KINDS = ("state", "bare_state", "history", "both")


class ObservationBuilder:
    """Observations of the users of ``rules``.

    The state is joined with what makes the process Markov: patience left (as a share of the whole),
    steps left (as a share of the limit; 1 without one) and the last answer (-1 skipped, 0 none yet,
    1 taken); then, where the rules keep them, the items shown and the candidates. ``"bare_state"``
    leaves all of these out, as offline datasets do, where nobody knows them.

    Args:
        rules: the users.
        kind: ``"state"``, ``"bare_state"``, ``"history"`` or ``"both"``.

    Attributes:
        space: the space of one user's observation.

    Raises:
        SettingError: no such kind.
    """

    def __init__(self, rules: UsersInEpisodes[Any], kind: str) -> None:
        self._rules = rules
        self._kind = kind = check_name("observation", kind, KINDS)
        state_size = rules.simulator.state_size
        parts: dict[str, spaces.Space[Any]] = {
            "state": _unit_box(state_size + BESIDE_STATE + self._size_of_rest()),
            "bare_state": _unit_box(state_size),
            "history": self._history_space(),
        }
        both = {"state": parts["state"], "history": parts["history"]}
        self.space: spaces.Space[Any] = spaces.Dict(both) if kind == "both" else parts[kind]

    def observe(self) -> Observation:
        """Fresh arrays over all N rows, in the batched form of :attr:`space`."""
        if self._kind == "state":
            return self._states()
        if self._kind == "bare_state":
            return np.clip(self._rules.states, -1.0, 1.0)
        if self._kind == "history":
            return self._rules.recent.copy()
        return {"history": self._rules.recent.copy(), "state": self._states()}

    def observe_first(self) -> Observation:
        """The observation of the first row, without the batch axis."""
        observation = self.observe()
        if isinstance(observation, dict):
            return {name: values[0] for name, values in observation.items()}
        return observation[0]

    def _history_space(self) -> spaces.Box:
        shape = self._rules.recent.shape[1:]
        return spaces.Box(0, self._rules.n_items, shape=shape, dtype=np.int64)

    def _size_of_rest(self) -> int:
        rules, size = self._rules, 0
        if rules.shown is not None:
            size += rules.shown.size
        if isinstance(rules.actions, CandidateActions):
            size += rules.actions.size
        return size

    def _states(self) -> FloatArray:
        rules = self._rules
        n, size = rules.states.shape
        beside = np.empty((n, size + BESIDE_STATE), dtype=np.float32)
        np.clip(rules.states, -1.0, 1.0, out=beside[:, :size])
        beside[:, size] = rules.patience_left / rules.patience
        beside[:, size + 1] = rules.steps_left()
        beside[:, size + 2] = rules.last_answer
        if rules.shown is None:
            return beside
        parts = [beside, *rules.shown.observations()]
        if isinstance(rules.actions, CandidateActions):
            parts.append(rules.actions.features.reshape(n, -1))
        return np.concatenate(parts, axis=1)


def _unit_box(size: int) -> spaces.Box:
    return spaces.Box(-1.0, 1.0, shape=(size,), dtype=np.float32)
