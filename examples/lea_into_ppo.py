"""A recommender learns from the log with LEA; RL then goes on from it among live users.

You see progress bars while LEA learns from the logged users, while it is improved among live ones
(who are asked about several items at every step) and while two PPOs learn from 32 of them, then one
line a policy: what LEA, LEA improved, PPO that begins as LEA and PPO that begins with random
weights earn from the same held-out users with the same luck. With so few steps PPO from LEA stays
about where LEA is, at twice what PPO from nothing earns. What the improvement of a plain GRU4Rec is
worth among true users, `llmrec bench improve` tells (docs/improving.md).

    python examples/lea_into_ppo.py --epochs 10 --users 512 --steps 20000
"""

import argparse
from typing import Any

from sb3_contrib import MaskablePPO

import llmrec_env
from agents import LEA
from agents.improving import ImproveConfig, improve
from agents.sb3 import MaskableItemPolicy, SequenceFeatures, begin_with, language_vectors
from llmrec_env.data.splits import split_by_user
from llmrec_env.evaluation.policies import SB3Policy
from llmrec_env.users.language import embedded_user


def main(epochs: int, users: int, steps: int, episodes: int, seed: int) -> None:
    """Learn from the training users' log, then from their answers; compare on held-out users."""
    simulator = embedded_user()
    split = split_by_user(llmrec_env.generate_world().log)
    lea = LEA("gru4rec", epochs=epochs, seed=seed).fit(split.train, simulator, split.validation)

    def ppo(policy_kwargs: dict[str, Any]) -> SB3Policy:
        model = MaskablePPO(
            MaskableItemPolicy,
            llmrec_env.make_vec_env(32, seed=seed, users=split.train, observation="history"),
            n_steps=32,
            batch_size=256,
            n_epochs=4,
            gamma=0.8,
            learning_rate=1e-3,
            seed=seed,
            policy_kwargs=policy_kwargs,
        )
        return SB3Policy(model.learn(steps, progress_bar=True))

    anew = {
        "item_vectors": 6 * language_vectors(simulator),
        "features_extractor_class": SequenceFeatures,
        "features_extractor_kwargs": {"backbone": "gru4rec"},
    }
    policies = {
        "LEA": lea,
        "LEA improved": improve(lea, simulator, split.train, ImproveConfig(episodes=users)),
        "PPO from LEA": ppo(begin_with(lea, freeze=True)),
        "PPO from nothing": ppo(anew),
    }
    for name, policy in policies.items():
        result = llmrec_env.evaluate_policy(policy, simulator, episodes=episodes, seed=seed)
        low, high = result.ci95
        print(f"{name:<16} return {result.mean:6.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=10, help="passes of LEA over the log")
    parser.add_argument("--users", type=int, default=512, help="live users who are asked")
    parser.add_argument("--steps", type=int, default=20_000, help="items shown in PPO's training")
    parser.add_argument("--episodes", type=int, default=150, help="held-out users")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    main(**vars(parser.parse_args()))
