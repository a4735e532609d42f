"""The demo's policy stage: trains PPO, compares returns with random and popular policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.data.source import Source
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.evaluation.policies import (
    Policy,
    PopularPolicy,
    PreferencePolicy,
    RandomPolicy,
    SB3Policy,
    greedy_actions,
)
from llmrec_env.evaluation.returns import PolicyReturns, at_most, evaluate_policy
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.experiments.evaluators import evaluation_users
from llmrec_env.experiments.ppo import train_ppo
from llmrec_env.experiments.tables import many
from llmrec_env.experiments.verdicts import verdict
from llmrec_env.reporting import (
    Bars,
    Curve,
    Curves,
    Element,
    Estimate,
    Report,
    Table,
    Transcript,
    Turn,
)
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser

Found = dict[str, Any]
GREEDY = "LE's own choice"
SHOWN = 8  # items of a history, and steps of an episode, that a transcript shows


def measure(settings: DemoSettings, source: Source, simulator: LanguageUser) -> Found:
    """Train PPO among the LE's users and evaluate every policy on held-out ones, in pairs."""
    train = source.split.train
    envs = settings.ppo_envs
    total = settings.steps(settings.ppo_steps, least=envs * 8)
    model, curve = train_ppo(simulator, train, total, envs, settings.seed)
    policies: dict[str, Policy] = {
        "random": RandomPolicy(settings.seed),
        "popular": PopularPolicy(train),
        GREEDY: PreferencePolicy(simulator),
        "PPO": SB3Policy(model),
    }
    worlds = evaluation_users(source, simulator)
    found: Found = {"rows": [], "ppo_curve": curve, "differences": {}}
    for name, users in worlds.items():
        for masked in (True, False):
            results = {
                who: evaluate(policy, users, settings, masked) for who, policy in policies.items()
            }
            for who, result in results.items():
                found["rows"].append({"users": name, "policy": who, **result.summary()})
            if masked:
                found["differences"][name] = {
                    who: list(results["PPO"].difference(results[who]))
                    for who in ("random", "popular")
                }
    found["transcript"] = play_one(policies["PPO"], worlds["LE"], settings.seed)
    return found


def measure_recommenders(
    folder: Path,
    names: Sequence[str],
    settings: DemoSettings,
    source: Source,
    simulator: LanguageUser,
) -> Found:
    """What the fitted recommenders in a folder earn from the same users, seen items masked."""
    from agents import Recommender

    rows = []
    for name in names:
        saved = folder / name.replace(" ", "_")
        policy = Recommender.load(saved, source.log.catalogue)
        for world, users in evaluation_users(source, simulator).items():
            earned = evaluate(policy, users, settings, masked=True).summary()
            rows.append({"users": world, "policy": name, **earned})
    return {"rows": rows}


def evaluate(
    policy: Policy, users: UserSimulator, settings: DemoSettings, masked: bool
) -> PolicyReturns:
    """One episode for each of the settings' number of users, the same for every policy."""
    assert users.users is not None
    wanted = min(settings.episodes, settings.steps(settings.episodes, least=4))
    return evaluate_policy(
        policy, users, episodes=at_most(wanted, users.users), seed=settings.seed, mask_seen=masked
    )


def play_one(policy: Policy, users: UserSimulator, seed: int) -> Found:
    """The first steps of one episode, in words."""
    env = NextItemVectorEnv(num_envs=1, max_episode_steps=50, simulator=users, observation="both")
    observation, infos = env.reset(seed=seed)
    history = [users.catalogue.titles[i] for i in observation["history"][0] if i < env.n_items]
    turns: list[list[Any]] = []
    ended = False
    while not ended and len(turns) < SHOWN:
        state = observation if getattr(policy, "observation", "both") == "both" else None
        seen = state or observation[getattr(policy, "observation", "state")]
        action = greedy_actions(policy, seen, env.action_masks())
        observation, _, terminated, truncated, infos = env.step(action)
        liking = float(infos["rewards"]["shown"][0])
        title, taken = users.catalogue.titles[int(action[0])], bool(infos["accepted"][0])
        turns.append([title, liking, taken, _probability(users, liking)])
        ended = bool(terminated[0] or truncated[0])
    ending = "The user left." if ended else f"The first {SHOWN} steps."
    user = str(infos["user_id"][0])
    return {"user": user, "history": history[-SHOWN:], "turns": turns, "ending": ending}


def _probability(users: UserSimulator, liking: float) -> float | None:
    """How probable it was that an item of this liking was taken, where the users can say."""
    if not isinstance(users, LanguageUser):
        return None
    return float(users.accept_probability(np.array([liking], dtype=np.float32))[0])


def findings(found: Found, budget: float) -> list[Element]:
    """The claims that this stage can settle."""
    claims: list[Element] = []
    where = {"LE": "among the simulated users", "truth": "among the TRUE users"}
    for name, differences in found["differences"].items():
        evidence = ", ".join(
            f"PPO minus {who} {mean:+.2f} [{lo:+.2f}, {hi:+.2f}]"
            for who, (mean, lo, hi) in differences.items()
        )
        claim = f"PPO trained in the LE's environment beats random and popular {where[name]}"
        episodes = max(row["episodes"] for row in found["rows"])
        claims.append(verdict(claim, evidence, list(differences.values()), episodes, budget))
    return claims


def write(report: Report, found: Found, recommended: Found) -> None:
    """The section on returns, with an episode to read.

    Args:
        report: to which it is added.
        found: by :func:`measure`.
        recommended: by :func:`measure_recommenders`.
    """
    section = report.section(
        "Policies in the environment",
        "One episode a held-out user; reward is the user's liking of every unseen item shown, "
        'taken or not (reward_on="shown").',
    )
    for masked in (True, False):
        rows = [
            [row["policy"], row["users"], return_estimate(row), row["accepted"], row["length"]]
            for row in [*found["rows"], *recommended["rows"]]
            if row["mask_seen"] == masked
        ]
        episodes = max(row["episodes"] for row in found["rows"])
        section.add(
            Table(
                "Return" if masked else "Return, unmasked",
                ["policy", "users", "return", "items taken", "steps"],
                rows,
                controls=["random", "popular"],
                masked=masked,
                note=f"{many(episodes, 'user')}, one episode each: means with 95% intervals. "
                f"{GREEDY}: what its own action model ranks highest, which among its own users is "
                "the answer itself. Recommenders never learned to earn.",
                command=report.command,
                digits=2,
            )
        )
    worlds = list(found["differences"])
    policies = ["random", "popular", GREEDY, "PPO"]
    values = {
        (row["users"], row["policy"]): return_estimate(row)
        for row in found["rows"]
        if row["mask_seen"]
    }
    section.add(
        Bars(
            "Return by policy",
            "Mean return of one episode with its 95% interval; seen items masked.",
            policies,
            {f"{world} users": [values[world, who] for who in policies] for world in worlds},
            "return",
        )
    )
    curve = found["ppo_curve"]
    if len(curve) > 1:
        section.add(
            Curves(
                "PPO learns",
                "Mean return of the last hundred training episodes.",
                [Curve("PPO", [p["step"] for p in curve], [p["return"] for p in curve])],
                "environment step",
                "return",
            )
        )
    section.add(_transcript(found["transcript"]))


def return_estimate(summary: Mapping[str, Any]) -> Estimate:
    """The mean return in a summary of returns, with its interval."""
    return Estimate(summary["return"], summary["return_low"], summary["return_high"])


def _transcript(play: Found) -> Transcript:
    return Transcript(
        "One episode",
        play["user"],
        play["history"],
        [
            Turn(item, liking, accepted, probability=probability)
            for item, liking, accepted, probability in play["turns"]
        ],
        play["ending"],
        note="What PPO recommended, and how the simulated user answered: liking is the reward, and "
        "a liked item is taken with the probability given beside it, so it may be skipped.",
    )
