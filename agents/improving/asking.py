"""Lets a recommender act among users, who are asked about other items too at every moment."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from agents.improving.config import ImproveConfig
from agents.improving.policy import ImprovedRecommender
from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.top_k import top_k
from llmrec_env.envs.common.registration import MAX_EPISODE_STEPS
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.evaluation.episodes import Seats, Turn, choose_users, luck_of, play
from llmrec_env.users.base import BESIDE_STATE, Session, UserSimulator


class Asked(NamedTuple):
    """What users answered at S moments.

    Attributes:
        features: float32 (S, width), what Q reads of the moments.
        beside: float32 (S, 3), patience left and steps left, as shares, and the last answer.
        items: int64 (S, C), what was asked; the first was shown, and stands in the place of others
            where fewer than C were unseen.
        liking: float32 (S, C), less what pessimism takes.
        chance: float32 (S, C), of taking.
        follows: float32 (S,), discounted liking of what was shown from there to the end.
        patience: skips in a row that a user bears.
    """

    features: FloatArray
    beside: FloatArray
    items: IntArray
    liking: FloatArray
    chance: FloatArray
    follows: FloatArray
    patience: int


def ask(
    policy: ImprovedRecommender,
    simulator: UserSimulator,
    config: ImproveConfig,
    seed: int,
    **settings: Any,
) -> Asked:
    """Play an episode with each of some users, and ask them about several items at every step.

    What is shown is drawn by the policy at ``config.temperature`` from its shortlist; half of what
    else is asked stands at the top of that, the other half is drawn from it.

    Args:
        policy: as it stands.
        simulator: who answers; its users start the episodes.
        config: how many, and of what.
        seed: of users, luck and draws.
        settings: further keywords of the environment, such as ``patience``; its time limit is that
            of ``gym.make`` where none is named.
    """
    assert simulator.users is not None
    initial = InitialHistories(simulator.users, simulator.feedback_source)
    chosen = choose_users(initial, min(config.episodes, len(initial.eligible)), seed)
    env = NextItemVectorEnv(
        min(config.users_at_once, len(chosen)),
        autoreset="disabled",
        simulator=simulator,
        observation="both",
        **{"max_episode_steps": MAX_EPISODE_STEPS, **settings},  # as policies are judged
    )
    seats = Seats(env, initial.ids[chosen], luck_of(simulator.users.n_users, seed)[chosen])
    rng = np.random.default_rng([seed, 1])
    sitting: list[IntArray] = []
    found: list[tuple[FloatArray, FloatArray, IntArray, FloatArray, FloatArray]] = []

    def recommend(turn: Turn) -> IntArray:
        features = policy.features(turn.observations)
        scores = policy.scores(turn.observations, features)
        items = _to_ask(np.where(turn.masks(), scores, -np.inf), config, rng)
        liking, chance = _answers(env.rules.session, items, config.pessimism)
        states = turn.observations["state"]
        beside = states[:, policy.state_size : policy.state_size + BESIDE_STATE].copy()
        sitting.append(seats.sitting.copy())
        found.append((features, beside, items, liking, chance))
        return items[:, 0]

    play(recommend, seats)
    rewards = [part[3][:, 0] for part in found]
    follows = _follows(sitting, rewards, seats.episodes, config.discount)
    real: BoolArray = np.concatenate(sitting) < seats.episodes
    features, beside, items, liking, chance = (
        np.concatenate(part)[real] for part in zip(*found, strict=True)
    )
    patience = env.rules.patience
    return Asked(features, beside, items, liking, chance, follows[real], patience)


def _to_ask(scores: FloatArray, config: ImproveConfig, rng: np.random.Generator) -> IntArray:
    """Items int64 (N, C) by scores (N, n_items), -inf of those that may not be asked about; the
    first is drawn by them, to be shown. It is asked about again in place of those that a user has
    too few of, so that C is the same at every step."""
    listed, own = top_k(scores.astype(np.float32), min(config.shortlist, scores.shape[1]))
    drawn = own / np.float32(config.temperature) + rng.gumbel(size=own.shape)
    order = rng.random(own.shape)
    order[:, : config.asked // 2] -= 1.0
    order[np.arange(len(order)), drawn.argmax(axis=1)] = -2.0
    first = np.argsort(order, axis=1)[:, : config.asked]
    items, known = (np.take_along_axis(part, first, axis=1) for part in (listed, own))
    return np.where(np.isfinite(known), items, items[:, :1])


def _answers(session: Session, items: IntArray, pessimism: float) -> tuple[FloatArray, FloatArray]:
    """Liking, less the members' standard deviations, and chance of taking, float32 (N, C) each.

    An item that is asked about and not committed leaves no trace.
    """
    liking, chance = np.zeros((2, *items.shape), dtype=np.float32)
    for place in range(items.shape[1]):
        liking[:, place], chance[:, place] = session.respond(items[:, place])
        if session.members is not None:
            liking[:, place] -= np.float32(pessimism) * session.members.reward.std(axis=0)
    return liking, chance


def _follows(
    sitting: list[IntArray], rewards: list[FloatArray], episodes: int, discount: float
) -> FloatArray:
    """Discounted rewards from each step to the end of its episode, for all rows of all steps."""
    after = np.zeros(episodes + 1, dtype=np.float32)
    follows = []
    for own, paid in zip(reversed(sitting), reversed(rewards), strict=True):
        after[own] = paid + np.float32(discount) * after[own]
        follows.append(after[own])
    return np.concatenate(follows[::-1])
