"""stable-baselines3's PPO learns to recommend to language-model users.

You see a progress bar while PPO asks 32 users at once, then one line a recommender: what random
items, the most popular ones and PPO earn from the same held-out users with the same luck, and what
PPO earns above popularity, user by user.

    python examples/sb3_ppo.py --steps 20000
"""

import argparse

from stable_baselines3 import PPO

import llmrec_env
from agents.sb3 import ItemPolicy, language_vectors
from llmrec_env.data.splits import split_by_user
from llmrec_env.evaluation.policies import PopularPolicy, RandomPolicy, SB3Policy
from llmrec_env.users.language import embedded_user


def main(steps: int, episodes: int, seed: int) -> None:
    """Train on the training users' initial histories, compare on users held out from it."""
    simulator = embedded_user()
    train = split_by_user(llmrec_env.generate_world().log).train
    env = llmrec_env.make_vec_env(32, seed=seed, users=train)
    model = PPO(
        ItemPolicy,  # or "MlpPolicy", which learns every item apart
        env,
        n_steps=32,
        batch_size=256,
        n_epochs=4,
        gamma=0.8,
        learning_rate=1e-3,
        seed=seed,
        # six times longer vectors: steps six times larger (see ItemPolicy)
        policy_kwargs={"item_vectors": 6 * language_vectors(simulator)},
    )
    model.learn(steps, progress_bar=True)
    policies = {
        "random": RandomPolicy(seed),
        "popular": PopularPolicy(train),
        "PPO": SB3Policy(model),
    }
    returns = {
        name: llmrec_env.evaluate_policy(policy, simulator, episodes=episodes, seed=seed)
        for name, policy in policies.items()
    }
    for name, result in returns.items():
        low, high = result.ci95
        taken = result.accepted.mean()
        print(f"{name:<8} return {result.mean:6.2f} [{low:.2f}, {high:.2f}] · taken {taken:.2f}")
    gain = returns["PPO"].difference(returns["popular"])
    print(f"PPO above popular: {gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20_000, help="items shown in training")
    parser.add_argument("--episodes", type=int, default=150, help="held-out users")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    main(**vars(parser.parse_args()))
