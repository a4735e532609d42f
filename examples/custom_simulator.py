"""A simulated user of your own in ten lines, behind the same ``gym.make``.

The users here are loyal: they like an item as far as its maker made what they took before. You see
a session with an agent that knows this, and its return beside that of random recommendations.

    python examples/custom_simulator.py
"""

import argparse

import gymnasium as gym
import numpy as np

import llmrec_env
from llmrec_env.evaluation.policies import RandomPolicy


class LoyalUser(llmrec_env.HistoryUser):
    """State: the share of each maker in the history. Liking: the share of the item's maker."""

    def __init__(self, users):
        self.catalogue, self.users = users.catalogue, users
        self.makers = users.catalogue.table["brand"].to_dummies().to_numpy().astype(np.float32)
        self.state_size = self.makers.shape[1]

    def encode(self, histories):
        return np.stack([self.makers[items].mean(axis=0) for items in histories])

    def answer(self, histories, actions):
        liking = (self.encode(histories) * self.makers[actions]).sum(axis=1)
        return llmrec_env.Response(reward=liking, accept_probability=liking)


class SameMaker:
    """Recommends by the share of an item's maker, which it reads from the observation."""

    observation = "state"

    def __init__(self, makers):
        self.makers = makers

    def action_scores(self, observation):
        return observation[:, : self.makers.shape[1]] @ self.makers.T


def main(steps: int, episodes: int) -> None:
    """Watch one session, then compare two policies over many users."""
    simulator = LoyalUser(llmrec_env.generate_world().log)
    agent = SameMaker(simulator.makers)
    env = gym.make("LLMRec/NextItem-v1", simulator=simulator, render_mode="human")
    observation, info = env.reset(seed=0)
    for _ in range(steps):
        scores = agent.action_scores(observation[None])[0]
        best = np.where(info["action_mask"], scores, -np.inf).argmax()
        observation, _, terminated, truncated, info = env.step(best)
        if terminated or truncated:
            break
    for name, policy in {"random": RandomPolicy(seed=0), "same maker": agent}.items():
        returns = llmrec_env.evaluate_policy(policy, simulator, episodes=episodes)
        print(f"{name:<12} return {returns.mean:5.2f} over {episodes} users")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=5, help="items shown in the session")
    parser.add_argument("--episodes", type=int, default=100, help="users of the comparison")
    main(**vars(parser.parse_args()))
