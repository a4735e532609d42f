"""RLlib's PPO, in an environment of its own: see ``make_venv.py``.

You see the mean return of an episode while it learns from the training users, then what random
items and the agent, greedy and sampled, earn from the same held-out users.
"""

import argparse

import gymnasium as gym
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env

import llmrec_env
from llmrec_env.data.splits import split_by_user

ENVS, FRAMES, EPOCHS, MINIBATCH = 8, 1024, 10, 256


def main(id, steps, episodes, seed):
    """Learn from the training users, compare among the test users."""
    users = split_by_user(llmrec_env.generate_world().log)
    register_env("recommend", lambda config: gym.make(id, users=users.train))
    ray.init(include_dashboard=False, num_cpus=1, log_to_driver=False)
    algorithm = (
        PPOConfig()
        .environment("recommend")
        .env_runners(num_env_runners=0, num_envs_per_env_runner=ENVS)
        .training(
            train_batch_size_per_learner=FRAMES,
            minibatch_size=MINIBATCH,
            num_epochs=EPOCHS,
            lr=1e-3,
            gamma=0.8,
            lambda_=0.95,
            grad_clip=0.5,
        )
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[64, 64]))
        .debugging(seed=seed)
        .build_algo()
    )
    for _ in range(max(1, steps // FRAMES)):
        earned = algorithm.train()["env_runners"].get("episode_return_mean", float("nan"))
        print(f"return of an episode {earned:.2f}", flush=True)
    module = algorithm.get_module()

    @torch.no_grad()
    def logits(turn):
        batch = {"obs": torch.from_numpy(turn.observations)}
        return module.forward_inference(batch)["action_dist_inputs"]

    def sampled(turn):
        return torch.distributions.Categorical(logits=logits(turn)).sample().numpy()

    agents = {"greedy": lambda turn: logits(turn).argmax(-1).numpy(), "sampled": sampled}
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
