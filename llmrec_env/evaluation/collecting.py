"""``collect``: the log of a policy among simulated or true users, with its propensities.

Each episode has a luck of its own, which follows from the seed and the episode's number alone: the
draws by which the user takes something, and those by which the policy chooses. So a log is the same
in whatever parts it was collected.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.common.checks import ENDLESS, check_counts
from llmrec_env.common.errors import SettingError
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.registration import MAX_EPISODE_STEPS
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.envs.next_item.simulators import resolve_simulator
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.evaluation.collecting_steps import PlayedSteps
from llmrec_env.evaluation.episodes import Seats
from llmrec_env.evaluation.returns import begin
from llmrec_env.evaluation.stochastic import (
    EpsilonGreedy,
    SoftmaxPolicy,
    StochasticPolicy,
    draw_actions,
    stochastic,
)
from llmrec_env.offline.collected import HISTORY_LENGTH, CollectedLog, as_asked
from llmrec_env.users.base import UserSimulator

BATCH_USERS, PART_EPISODES = 64, 256
"""Users asked at once, and episodes of a part."""
ROUNDING = 1e-6
"""By how much the probabilities of a row may miss one."""
ENVIRONMENT = "LLMRec/NextItem-v1"
PLACES = ("device", "dtype")
OF_SIMULATOR = ("accept_rate", "remember_skips", *PLACES)
REFUSED = ("observation", "history_length", "actions", "candidates", "retrieve", "seen")
"""Settings of the environment that a collected log fixes."""
Advance = Callable[[int, str], None]


@dataclass(frozen=True, eq=False)
class Collecting:
    """Who shows what to whom; episodes can be played in any parts.

    Attributes:
        policy: who chooses.
        env: many users at once.
        users: int64 (n_episodes,), the user of each episode, a row of the simulator's users.
        seed: of the episodes' luck.
        about: what the log says of how it was collected.
    """

    policy: StochasticPolicy
    env: NextItemVectorEnv
    users: IntArray
    seed: int
    about: Mapping[str, Any]

    @property
    def parts(self) -> list[IntArray]:
        """The episodes, in parts that are kept as soon as they are played."""
        episodes = np.arange(len(self.users))
        return [episodes[i : i + PART_EPISODES] for i in range(0, len(episodes), PART_EPISODES)]

    def play(self, episodes: IntArray, advance: Advance) -> CollectedLog:
        """Play some episodes, int64 (E,), to their ends.

        Args:
            episodes: their numbers.
            advance: is told how many have just ended.
        """
        env, users, n_episodes = self.env, self.users[episodes], len(episodes)
        histories = env.rules.initial_histories
        seeds, choices = _luck_of(self.seed, episodes)
        seats, steps = Seats(env, histories.ids[users], seeds), PlayedSteps(n_episodes)
        observation = seats.open(np.ones(env.num_envs, dtype=np.bool_))
        while (seats.sitting < n_episodes).any():
            live = np.flatnonzero(seats.sitting < n_episodes)
            now, before = seats.sitting[live], observation["state"][live]
            luck = np.zeros(env.num_envs)
            luck[live] = [choices[episode].random() for episode in now.tolist()]
            actions, propensities = self._choose(observation, luck)
            observation, rewards, terminated, truncated, infos = env.step(actions)
            steps.add(
                episode=now,
                items=actions[live],
                propensities=propensities[live],
                rewards=rewards[live].astype(np.float32),
                accepted=infos["accepted"][live].astype(np.bool_),
                observations=before,
            )
            over = terminated | truncated
            if over.any():
                ended = live[over[live]]
                steps.end(seats.sitting[ended], observation["state"][ended], terminated[ended])
                advance(len(ended), "")
                seats.pass_on(over)
                observation = seats.open(over)
        return steps.log(
            catalogue=env.simulator.catalogue,
            user_ids=histories.log.user_ids[users].rename("user_id"),
            histories=tuple(histories.history(int(user)) for user in users),
            unknown=tuple(env.simulator.unknown_items(int(user)) for user in users),
            about=self.about,
        )

    def _choose(self, both: dict[str, Any], luck: Float64Array) -> tuple[IntArray, Float64Array]:
        """What is shown in each row, and with which probability."""
        seen = as_asked(self.policy, both)
        allowed = self.env.action_masks()
        probabilities = np.asarray(self.policy.action_probabilities(seen, allowed))
        _check_probabilities(probabilities, allowed)
        actions = draw_actions(probabilities, luck)
        return actions, probabilities[np.arange(len(actions)), actions]


def prepare(
    policy: Any,
    simulator: UserSimulator | str | os.PathLike[str] | None = None,
    users: InteractionLog | None = None,
    episodes: int = 100,
    seed: int = 0,
    max_episode_steps: int | None = MAX_EPISODE_STEPS,
    simulator_name: str | None = None,
    **settings: Any,
) -> Collecting:
    """Check what :func:`collect` is to do; arguments and errors are the same.

    Args:
        policy: as of :func:`collect`, as all but ``simulator_name``.
        simulator: who answers.
        users: the users.
        episodes: how many.
        seed: of everything.
        max_episode_steps: the time limit.
        simulator_name: by which ``gym.make`` finds a simulator that is opened already.
        settings: of the environment.
    """
    check_counts(ENDLESS, episodes=episodes)
    if refused := [name for name in REFUSED if name in settings]:
        raise SettingError(
            f"{', '.join(refused)}: a collected log has one item of the catalogue a step, unseen "
            "before, and keeps states and histories; leave these settings out"
        )
    chooser = stochastic(policy)
    kwargs = {"simulator": _name_of(simulator_name or simulator), **settings}
    own = {name: settings.pop(name, None) for name in OF_SIMULATOR}
    simulator = resolve_simulator(simulator, users, **own)
    assert simulator.users is not None
    eligible = InitialHistories(simulator.users).eligible
    env = NextItemVectorEnv(
        num_envs=min(BATCH_USERS, episodes),
        max_episode_steps=max_episode_steps,
        autoreset="disabled",
        simulator=simulator,
        observation="both",
        history_length=getattr(chooser, "history_length", None) or HISTORY_LENGTH,
        **settings,
    )
    _check_policy(chooser, env, simulator)
    about = {
        "policy": called(policy),
        "seed": seed,
        "episodes": episodes,
        "users": "of the simulator" if users is None else "given",
        "state_size": simulator.state_size,
        "environment": {
            "id": ENVIRONMENT,
            "max_episode_steps": max_episode_steps,
            "kwargs": {name: value for name, value in kwargs.items() if name not in PLACES},
        },
    }
    return Collecting(chooser, env, _users_of(eligible, episodes, seed), seed, about)


def collect(
    policy: Any,
    simulator: UserSimulator | str | os.PathLike[str] | None = None,
    users: InteractionLog | None = None,
    episodes: int = 100,
    seed: int = 0,
    max_episode_steps: int | None = MAX_EPISODE_STEPS,
    **settings: Any,
) -> CollectedLog:
    """Let a policy recommend among unseen items, and keep what it showed and what came of it.

    Args:
        policy: a :class:`~llmrec_env.evaluation.stochastic.StochasticPolicy`, such as
            ``EpsilonGreedy(recommender, 0.1)``; or whatever scores items, which shows its best.
        simulator: who answers, as in :class:`NextItemEnv`; a world's true users too.
        users: the users, instead of the simulator's own.
        episodes: how many; each eligible user has one before any has a second.
        seed: decides the users, their luck and the policy's draws.
        max_episode_steps: the time limit.
        settings: further keywords of :class:`NextItemVectorEnv`, such as ``patience``, which
            ``about`` keeps where they are numbers or texts.

    Raises:
        SettingError: the policy can be told no propensity, or a setting does not fit.
        DataError: the policy was fitted on another catalogue.
    """
    plan = prepare(policy, simulator, users, episodes, seed, max_episode_steps, **settings)
    with progress_bar("episodes", episodes) as advance:
        return CollectedLog.joined([plan.play(part, advance) for part in plan.parts])


def called(policy: Any) -> str:
    """What a log calls the policy that collected it: its ``name``, or its kind and settings."""
    if isinstance(policy, SoftmaxPolicy):
        return f"{called(policy.policy)}, softmax at temperature {policy.temperature:g}"
    if isinstance(policy, EpsilonGreedy):
        return f"{called(policy.policy)}, epsilon {policy.epsilon:g}"
    return str(getattr(policy, "name", type(policy).__name__))


def _name_of(simulator: Any) -> str | None:
    """How ``gym.make`` finds a simulator; None where it is an object that nobody can name."""
    if simulator is None or isinstance(simulator, UserSimulator):
        return None if simulator is not None else "embedded"
    text = os.fspath(simulator)
    return str(Path(text).absolute()) if Path(text).is_dir() else text


def _users_of(eligible: IntArray, episodes: int, seed: int) -> IntArray:
    """The user of each episode: all eligible ones in a random order, again and again."""
    rng = np.random.default_rng(seed)
    rounds = [rng.permutation(eligible) for _ in range(-(-episodes // len(eligible)))]
    return np.concatenate(rounds)[:episodes]


def _luck_of(seed: int, episodes: IntArray) -> tuple[IntArray, list[np.random.Generator]]:
    """The seed of each episode, int64 (E,), and what its policy draws from."""
    pairs = [np.random.SeedSequence([seed, number]).spawn(2) for number in episodes.tolist()]
    seeds = np.array([own.generate_state(1)[0] >> 1 for own, _ in pairs], dtype=np.int64)
    return seeds, [np.random.default_rng(own) for _, own in pairs]


def _check_probabilities(probabilities: Float64Array, allowed: BoolArray) -> None:
    """Refuse what is no distribution over the allowed items in every row."""
    if probabilities.shape != allowed.shape:
        raise SettingError(
            f"action_probabilities gave an array of shape {probabilities.shape}; expected "
            f"{allowed.shape} (users by items)"
        )
    within = ((probabilities >= 0) & (allowed | (probabilities == 0))).all(axis=1)
    sums = probabilities.sum(axis=1)
    sound = within & (np.abs(sums - 1.0) <= ROUNDING)
    if not sound.all():
        row = int(np.argmin(sound))
        raise SettingError(
            "action_probabilities must give rows that sum to one over the allowed items and are 0 "
            f"elsewhere; row {row} sums to {sums[row]:.6f}, of which "
            f"{probabilities[row, allowed[row]].sum():.6f} over allowed ones"
        )


def _check_policy(policy: Any, env: NextItemVectorEnv, simulator: UserSimulator) -> None:
    kind = getattr(policy, "observation", None) or "both"
    if kind not in ("state", "history", "both"):
        raise SettingError(
            f"the policy reads the observation {kind!r}, and a collected log keeps "
            "'state', 'history' and 'both'"
        )
    begin(policy, simulator, env)
