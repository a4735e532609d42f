"""DQN in a single file, in the style of CleanRL, on ``gym.make_vec``.

You see the mean return of each batch of episodes while it learns from the training users, then what
random items and the agent, greedy and with some random items, earn from the same held-out users.

    python examples/cleanrl_dqn.py --steps 50000
"""

import argparse

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import llmrec_env
from llmrec_env.data.splits import split_by_user

ENVS, BATCH, BUFFER, FIRST, SYNC, REPORT = 8, 64, 50_000, 1_000, 500, 5_000
RATE, GAMMA, EXPLORED, LAST_EPSILON = 1e-3, 0.8, 0.5, 0.05


def network(inputs, actions):
    """The value of each item."""
    hidden = [nn.Linear(inputs, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(84, actions))


class Explorer:
    """The item of the highest value; with probability ``epsilon`` any item."""

    def __init__(self, values, actions, seed, epsilon=1.0):
        self.values, self.actions, self.epsilon = values, actions, epsilon
        self.draws = np.random.default_rng(seed)

    @torch.no_grad()
    def __call__(self, observations):
        best = self.values(torch.from_numpy(observations)).argmax(-1).numpy()
        anything = self.draws.integers(self.actions, size=len(best))
        return np.where(self.draws.random(len(best)) < self.epsilon, anything, best)


class Buffer:
    """The last transitions."""

    def __init__(self, inputs):
        self.states, self.following = torch.zeros(2, BUFFER, inputs)
        self.actions = torch.zeros(BUFFER, dtype=torch.int64)
        self.rewards, self.goes_on = torch.zeros(2, BUFFER)
        self.count = 0

    def add(self, *columns):
        """Put rows in the places of the oldest."""
        rows = torch.arange(self.count, self.count + len(columns[0])) % BUFFER
        parts = (self.states, self.actions, self.rewards, self.following, self.goes_on)
        for part, column in zip(parts, columns, strict=True):
            part[rows] = torch.from_numpy(column).to(part.dtype)
        self.count += len(rows)

    def sample(self, draws):
        """BATCH transitions, drawn uniformly."""
        rows = torch.from_numpy(draws.integers(min(self.count, BUFFER), size=BATCH))
        parts = (self.states, self.actions, self.rewards, self.following, self.goes_on)
        return [part[rows] for part in parts]


def main(id, steps, episodes, seed):
    """Learn from the training users, compare among the test users."""
    torch.manual_seed(seed)
    users = split_by_user(llmrec_env.generate_world().log)
    envs = gym.make_vec(id, ENVS, users=users.train)
    inputs, actions = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
    values, target = network(inputs, actions), network(inputs, actions)
    target.load_state_dict(values.state_dict())
    optimizer = torch.optim.Adam(values.parameters(), RATE)
    explorer, buffer = Explorer(values, actions, seed), Buffer(inputs)
    observation, earned, ends = envs.reset(seed=seed)[0], 0.0, 0
    done = np.zeros(ENVS, dtype=bool)

    for step in range(0, steps, ENVS):
        explorer.epsilon = max(LAST_EPSILON, 1 - step / (EXPLORED * steps))
        action = explorer(observation)
        following, reward, terminated, truncated, _ = envs.step(action)
        row = (observation, action, reward, following, ~terminated)
        buffer.add(*(column[~done] for column in row))  # a step after the end opens the next
        observation, done = following, terminated | truncated
        earned, ends = earned + reward.sum(), ends + done.sum()
        if buffer.count >= min(FIRST, steps // 4):
            for _ in range(ENVS):
                states, chosen, rewards, later, goes_on = buffer.sample(explorer.draws)
                with torch.no_grad():
                    goal = rewards + GAMMA * goes_on * target(later).amax(-1)
                guess = values(states).gather(1, chosen[:, None]).squeeze(1)
                loss = nn.functional.mse_loss(guess, goal)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        if step % SYNC < ENVS:
            target.load_state_dict(values.state_dict())
        if (step + ENVS) % REPORT < ENVS:
            print(f"{step + ENVS:>8,} steps · return of an episode {earned / max(1, ends):.2f}")
            earned, ends = 0.0, 0
    envs.close()

    greedy = Explorer(values, actions, seed, epsilon=0.0)
    sampled = Explorer(values, actions, seed, epsilon=LAST_EPSILON)
    agents = {
        "greedy": lambda turn: greedy(turn.observations),
        "sampled": lambda turn: sampled(turn.observations),
    }
    print(llmrec_env.compare_agents(agents, id, episodes, users=users.test))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--id", default="LLMRec/NextItem-v1", help="the environment")
    parser.add_argument("--steps", type=int, default=50_000, help="items shown in training")
    parser.add_argument("--episodes", type=int, default=100, help="held-out users")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    main(**vars(parser.parse_args()))
