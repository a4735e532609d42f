"""Any algorithm of stable-baselines3 or sb3-contrib learns to recommend.

You see a progress bar while it learns from the training users, then what random items and the
agent, greedy and sampled, earn from the same held-out users with the same luck.

    python examples/sb3_any.py --algorithm ppo --steps 50000
    python examples/sb3_any.py --algorithm ppo --defaults
    python examples/sb3_any.py --algorithm dqn --id LLMRec/TrueTaste-v1 --envs subproc
    python examples/sb3_any.py --algorithm ppo --settings candidates=100
    python examples/sb3_any.py --algorithm sac --id LLMRec/ItemEmbedding-v0
"""

import argparse

import sb3_contrib
import stable_baselines3
from stable_baselines3.common.env_util import make_vec_env as make_workers
from stable_baselines3.common.vec_env import SubprocVecEnv

import llmrec_env
from llmrec_env.data.splits import split_by_user

# skips use up a user's patience within a few items: what comes later counts little
PPO = {"n_steps": 128, "batch_size": 256, "learning_rate": 1e-3, "gamma": 0.8}
# as many gradient steps as items shown, however many users are asked at once
DQN = {"gradient_steps": -1, "gamma": 0.8, "learning_rate": 1e-3}
ALGORITHMS = {
    "ppo": (stable_baselines3.PPO, "MlpPolicy", PPO),
    "a2c": (stable_baselines3.A2C, "MlpPolicy", {"n_steps": 16, "gamma": 0.8}),
    "dqn": (stable_baselines3.DQN, "MlpPolicy", DQN | {"exploration_fraction": 0.5}),
    "maskable_ppo": (sb3_contrib.MaskablePPO, "MlpPolicy", PPO),
    "recurrent_ppo": (sb3_contrib.RecurrentPPO, "MlpLstmPolicy", PPO),
    "qrdqn": (sb3_contrib.QRDQN, "MlpPolicy", DQN | {"policy_kwargs": {"n_quantiles": 10}}),
    "sac": (stable_baselines3.SAC, "MlpPolicy", {"gradient_steps": -1}),  # actions are points
    "td3": (stable_baselines3.TD3, "MlpPolicy", {"gradient_steps": -1}),
}


class Recommender:
    """Asks a model for the actions of many users; remembers for recurrent policies."""

    def __init__(self, model, greedy):
        self.model, self.greedy, self.memory = model, greedy, None

    def __call__(self, turn):
        masks = {}
        if isinstance(self.model, sb3_contrib.MaskablePPO):
            masks = {"action_masks": turn.masks()}
        actions, self.memory = self.model.predict(
            turn.observations, self.memory, turn.starts, deterministic=self.greedy, **masks
        )
        return actions


def make_envs(id, envs, count, seed, settings):
    """Users asked in one batch, or each in a process of its own."""
    if envs == "batched":
        return llmrec_env.make_vec_env(count, seed, id, **settings)
    id = f"llmrec_env:{id}"  # a new process imports the package by this name
    return make_workers(id, count, seed, env_kwargs=settings, vec_env_cls=SubprocVecEnv)


def main(algorithm, defaults, id, settings, envs, count, steps, episodes, seed):
    """Learn from the training users, compare among the test users."""
    users = split_by_user(llmrec_env.generate_world().log)
    kind, policy, choices = ALGORITHMS[algorithm]
    training = make_envs(id, envs, count, seed, settings | {"users": users.train})
    choices = {} if defaults else choices
    model = kind(policy, training, seed=seed, **choices).learn(steps, progress_bar=True)
    agents = {"greedy": Recommender(model, True), "sampled": Recommender(model, False)}
    settings |= {"users": users.test}
    print(llmrec_env.compare_agents(agents, id, episodes, **settings))


def setting(text):
    """``candidates=100`` as a name and a value."""
    name, _, value = text.partition("=")
    return name, int(value) if value.isdigit() else value


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--algorithm", choices=list(ALGORITHMS), default="ppo", help="what learns")
    parser.add_argument("--defaults", action="store_true", help="of the library, nothing else")
    parser.add_argument("--id", default="LLMRec/NextItem-v1", help="the environment")
    parser.add_argument("--settings", nargs="*", type=setting, default=[], help="of it: name=value")
    parser.add_argument(
        "--envs",
        choices=("batched", "subproc"),
        default="batched",
        help="all environments in this process, or each in its own",
    )
    parser.add_argument("--count", type=int, default=8, help="users who are asked at once")
    parser.add_argument("--steps", type=int, default=50_000, help="items shown in training")
    parser.add_argument("--episodes", type=int, default=100, help="held-out users")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    arguments = parser.parse_args()
    arguments.settings = dict(arguments.settings)
    main(**vars(arguments))
