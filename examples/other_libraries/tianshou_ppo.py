"""Tianshou's PPO, in an environment of its own: see ``make_venv.py``.

You see Tianshou's own lines while it learns from the training users, then what random items and the
agent, greedy and sampled, earn from the same held-out users.
"""

import argparse

import gymnasium as gym
import torch
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import DiscreteActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OnPolicyTrainerParams
from tianshou.utils.net.common import Net
from tianshou.utils.net.discrete import DiscreteActor, DiscreteCritic

import llmrec_env
from llmrec_env.data.splits import split_by_user

ENVS, FRAMES, EPOCHS, MINIBATCH = 8, 1024, 10, 256


def main(id, steps, episodes, seed):
    """Learn from the training users, compare among the test users."""
    torch.manual_seed(seed)
    users = split_by_user(llmrec_env.generate_world().log)
    envs = DummyVectorEnv([lambda: gym.make(id, users=users.train) for _ in range(ENVS)])
    envs.seed(seed)
    observations, actions = envs.observation_space[0], envs.action_space[0]

    def hidden():
        return Net(state_shape=observations.shape, hidden_sizes=(64, 64), activation=torch.nn.Tanh)

    actor = DiscreteActor(preprocess_net=hidden(), action_shape=actions.n, softmax_output=False)
    algorithm = PPO(
        policy=DiscreteActorPolicy(
            actor=actor, action_space=actions, observation_space=observations
        ),
        critic=DiscreteCritic(preprocess_net=hidden()),
        optim=AdamOptimizerFactory(lr=1e-3),
        gamma=0.8,
        max_grad_norm=0.5,
        ent_coef=0.0,
    )
    collector = Collector(algorithm, envs, VectorReplayBuffer(FRAMES, ENVS))
    algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=collector,
            max_epochs=1,
            epoch_num_steps=steps,
            collection_step_num_env_steps=FRAMES,
            update_step_num_repetitions=EPOCHS,
            batch_size=MINIBATCH,
            test_step_num_episodes=0,
            show_progress=False,
        )
    )

    @torch.no_grad()
    def logits(turn):
        return actor(turn.observations)[0]

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
