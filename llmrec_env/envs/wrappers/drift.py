"""``TasteDrift``: users whose taste moves by itself, because they take items elsewhere too."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.common.checks import check_number, check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.next_item.users_in_episodes import UsersInEpisodes
from llmrec_env.envs.wrappers.shaping import rules_of


class Drift:
    """What users take beside the environment: the items of another user, in that one's order.

    Each episode has one such companion, whom the row's generator draws; it draws once more after
    each step, whether or not an item is taken then.

    Args:
        rules: of the environment.
        rate: probability of taking an item after a step.
        at_start: items taken before an episode begins.

    Attributes:
        companions: int64 (N,), rows of the log from whose users episodes start.
        counts: int64 (N,), items taken elsewhere in the episode.
    """

    def __init__(self, rules: UsersInEpisodes[Any], rate: float, at_start: int) -> None:
        self.rate = check_number("rate", rate)
        if not 0.0 <= self.rate <= 1.0:
            raise SettingError(f"rate must lie between 0 and 1, got {rate}")
        self.at_start = check_whole("at_start", at_start, 0)
        self._rules = rules
        self._log = rules.initial_histories.log
        if self._log.n_users < 2:
            raise SettingError("taste drifts towards another user, and there is only one")
        self.companions = np.zeros(rules.num_rows, dtype=np.int64)
        self.counts = np.zeros(rules.num_rows, dtype=np.int64)

    def begin(self, rows: IntArray) -> None:
        """Another companion for each of ``rows``, int64 (M,), whose episodes have just begun."""
        rules = self._rules
        for row in rows.tolist():
            other = int(rules.generators[row].integers(self._log.n_users - 1))
            self.companions[row] = other + (other >= rules.users[row])
        self.counts[rows] = 0
        chosen = np.zeros(rules.num_rows, dtype=np.bool_)
        chosen[rows] = True
        for _ in range(self.at_start):
            self._take(chosen)

    def step(self, rows: BoolArray) -> None:
        """Let time pass for ``rows``, bool (N,), whose users are still there after a step."""
        rules = self._rules
        chosen = np.zeros(rules.num_rows, dtype=np.bool_)
        for row in np.flatnonzero(rows):
            chosen[row] = rules.generators[row].random() < self.rate
        self._take(chosen)

    def _take(self, rows: BoolArray) -> None:
        """The users of ``rows`` take their companion's next item; one unseen item stays for us."""
        rules = self._rules
        items = np.zeros(rules.num_rows, dtype=np.int64)
        takers = rows & (rules.seen.counts < rules.n_items - 1)
        for row in np.flatnonzero(takers).tolist():
            theirs = self._log.sequence(int(self.companions[row]))
            left = theirs[~np.isin(theirs, rules.seen.of(row))]
            takers[row] = len(left) > 0
            items[row] = left[0] if len(left) else 0
        if takers.any():
            rules.take(takers, items)
            self.counts += takers


class TasteDrift(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Users whose taste drifts: between two recommendations they may take an item elsewhere.

    What they take is the next item of another user of the log, drawn for each episode, whom they
    come to resemble. It joins their history as if they had taken it here: their state, the history
    observation and what they have seen tell of it, so the process stays as Markov as it was, and a
    language user drifts as one of known taste does. Nothing is paid for it, and patience is not
    touched. Which user it is, is not observed. The row's own generator draws, so a seed gives the
    same episodes; a step in which somebody takes an item elsewhere asks the language model twice.

    Args:
        env: an environment such as ``LLMRec/NextItem-v1``, which drifts from then on by itself too.
        rate: probability of it after each step.
        at_start: items taken so before the episode, after the opening history: taste that has
            changed since the log ended.

    Attributes:
        drift: a :class:`Drift`, with the companions and how much was taken.

    Raises:
        SettingError: an argument is out of range, the environment is another or drifts already, or
            its log has one user only.
    """

    def __init__(self, env: gym.Env[Any, Any], rate: float = 0.1, at_start: int = 0) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, rate=rate, at_start=at_start)
        super().__init__(env)
        self.drift = _let_drift(env, rate, at_start)


class VectorTasteDrift(gym.vector.VectorWrapper, gym.utils.RecordConstructorArgs):
    """:class:`TasteDrift` for a batched environment."""

    def __init__(
        self, env: gym.vector.VectorEnv[Any, Any, Any], rate: float = 0.1, at_start: int = 0
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, rate=rate, at_start=at_start)
        super().__init__(env)
        self.drift = _let_drift(env, rate, at_start)


def _let_drift(env: Any, rate: float, at_start: int) -> Drift:
    rules = rules_of(env)
    if rules.elsewhere is not None:
        raise SettingError(f"the users of {env} drift already")
    rules.elsewhere = drift = Drift(rules, rate, at_start)
    return drift
