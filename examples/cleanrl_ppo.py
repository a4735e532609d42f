"""PPO in a single file, in the style of CleanRL, on ``gym.make_vec``.

You see the mean return of each batch of episodes while it learns from the training users, then what
random items and the agent, greedy and sampled, earn from the same held-out users.

    python examples/cleanrl_ppo.py --steps 50000
    python examples/cleanrl_ppo.py --vectorization async   # a process a user: AsyncVectorEnv
"""

import argparse

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

import llmrec_env
from llmrec_env.common.help import HelpFormatter
from llmrec_env.data.splits import split_by_user

ENVS, LENGTH, EPOCHS, MINIBATCH = 8, 128, 10, 256
RATE, GAMMA, LAMBDA, CLIP, VALUE, ENTROPY, MAX_NORM = 1e-3, 0.8, 0.95, 0.2, 0.5, 0.0, 0.5


def layer(inputs, outputs, std):
    """A linear layer with orthogonal weights."""
    linear = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(linear.weight, std)
    nn.init.zeros_(linear.bias)
    return linear


def network(inputs, outputs, std):
    """Two hidden layers of 64."""
    hidden = [layer(inputs, 64, 2**0.5), nn.Tanh(), layer(64, 64, 2**0.5), nn.Tanh()]
    return nn.Sequential(*hidden, layer(64, outputs, std))


def collect(envs, actor, critic, observation, done):
    """LENGTH steps of all users. A step after an episode's end only opens the next: no sample."""
    rows = []
    for _ in range(LENGTH):
        with torch.no_grad():
            policy = Categorical(logits=actor(observation))
            action, value = policy.sample(), critic(observation).squeeze(-1)
        following, reward, terminated, truncated, _ = envs.step(action.numpy())
        ended = torch.from_numpy(terminated | truncated)
        row = (observation, action, policy.log_prob(action), value, ~done)
        rows.append((*row, torch.from_numpy(reward).float(), torch.from_numpy(terminated), ended))
        observation, done = torch.from_numpy(following), ended
    return [torch.stack(column) for column in zip(*rows, strict=True)], observation, done


def advantages(values, rewards, terminated, ended, last_value):
    """Generalised advantage estimates; an episode cut by the time limit goes on in its value."""
    following = torch.cat([values[1:], last_value[None]])
    errors = rewards + GAMMA * following * ~terminated - values
    estimates, estimate = torch.zeros_like(values), torch.zeros_like(last_value)
    for step in reversed(range(LENGTH)):
        estimates[step] = estimate = errors[step] + GAMMA * LAMBDA * ~ended[step] * estimate
    return estimates


def main(id, vectorization, steps, episodes, seed):
    """Learn from the training users, compare among the test users."""
    torch.manual_seed(seed)
    shuffle = np.random.default_rng(seed)
    users = split_by_user(llmrec_env.generate_world().log)
    envs = gym.make_vec(id, ENVS, vectorization, users=users.train)
    inputs, actions = envs.single_observation_space.shape[0], envs.single_action_space.n
    actor, critic = network(inputs, actions, 0.01), network(inputs, 1, 1.0)
    weights = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(weights, RATE, eps=1e-5)
    observation = torch.from_numpy(envs.reset(seed=seed)[0])
    done = torch.zeros(ENVS, dtype=torch.bool)

    for iteration in range(1, max(1, steps // (ENVS * LENGTH)) + 1):
        batch, observation, done = collect(envs, actor, critic, observation, done)
        seen, chosen, log_probs, values, valid, rewards, terminated, ended = batch
        with torch.no_grad():
            last_value = critic(observation).squeeze(-1)
        gains = advantages(values, rewards, terminated, ended, last_value)
        columns = [part[valid] for part in (seen, chosen, log_probs, gains, gains + values)]
        for _ in range(EPOCHS):
            order = torch.from_numpy(shuffle.permutation(len(columns[0])))
            for rows in order.split(MINIBATCH):
                state, action, old_log_prob, gain, target = (part[rows] for part in columns)
                policy = Categorical(logits=actor(state))
                ratio = (policy.log_prob(action) - old_log_prob).exp()
                gain = (gain - gain.mean()) / (gain.std(unbiased=False) + 1e-8)
                won = torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
                missed = (critic(state).squeeze(-1) - target).pow(2).mean()
                loss = VALUE * missed - won - ENTROPY * policy.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(weights, MAX_NORM)
                optimizer.step()
        earned = rewards.sum() / max(1, ended.sum())
        print(f"{iteration * ENVS * LENGTH:>8,} steps · return of an episode {earned:.2f}")
    envs.close()

    @torch.no_grad()
    def greedy(turn):
        return actor(torch.from_numpy(turn.observations)).argmax(-1).numpy()

    @torch.no_grad()
    def sampled(turn):
        return Categorical(logits=actor(torch.from_numpy(turn.observations))).sample().numpy()

    print(
        llmrec_env.compare_agents(
            {"greedy": greedy, "sampled": sampled}, id, episodes, users=users.test
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--id", default="LLMRec/NextItem-v1", help="the environment")
    parser.add_argument(
        "--vectorization",
        choices=("vector_entry_point", "async", "sync"),
        help="how many environments become one",
    )
    parser.add_argument("--steps", type=int, default=50_000, help="items shown in training")
    parser.add_argument("--episodes", type=int, default=100, help="held-out users")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    main(**vars(parser.parse_args()))
