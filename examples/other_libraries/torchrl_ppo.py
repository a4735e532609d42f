"""TorchRL's PPO, in an environment of its own: see ``make_venv.py``.

You see the mean reward of an item while it learns from the training users, then what random items
and the agent, greedy and sampled, earn from the same held-out users.
"""

import argparse

import gymnasium as gym
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper
from torchrl.envs.utils import ExplorationType, set_exploration_type
from torchrl.modules import MLP, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import llmrec_env
from llmrec_env.data.splits import split_by_user

ENVS, FRAMES, EPOCHS, MINIBATCH = 8, 1024, 10, 256


def main(id, steps, episodes, seed):
    """Learn from the training users, compare among the test users."""
    torch.manual_seed(seed)
    users = split_by_user(llmrec_env.generate_world().log)
    # TorchRL resets the rows whose episodes ended itself
    envs = gym.make_vec(id, ENVS, users=users.train, autoreset="disabled")
    env = GymWrapper(envs, categorical_action_encoding=True)
    env.set_seed(seed)
    inputs, items = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
    scores = TensorDictModule(MLP(inputs, items, num_cells=[64, 64]), ["observation"], ["logits"])
    actor = ProbabilisticActor(
        scores,
        ["logits"],
        distribution_class=torch.distributions.Categorical,
        return_log_prob=True,
        spec=env.action_spec,
    )
    critic = ValueOperator(MLP(inputs, 1, num_cells=[64, 64]))
    advantages = GAE(gamma=0.8, lmbda=0.95, value_network=critic)
    loss = ClipPPOLoss(actor, critic, entropy_coeff=0.0, critic_coeff=0.5, normalize_advantage=True)
    optimizer = torch.optim.Adam(loss.parameters(), 1e-3)
    for batch in Collector(env, actor, frames_per_batch=FRAMES, total_frames=steps):
        with torch.no_grad():
            advantages(batch)
        samples = batch.reshape(-1)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(samples)).split(MINIBATCH):
                terms = loss(samples[rows])
                optimizer.zero_grad()
                sum(value for name, value in terms.items() if name.startswith("loss_")).backward()
                torch.nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
                optimizer.step()
        print(f"reward of an item {batch['next', 'reward'].mean():.3f}", flush=True)

    def agent(exploration):
        @torch.no_grad()
        def act(turn):
            states = {"observation": torch.from_numpy(turn.observations)}
            with set_exploration_type(exploration):
                return actor(TensorDict(states, len(turn.observations)))["action"].numpy()

        return act

    agents = {
        "greedy": agent(ExplorationType.DETERMINISTIC),
        "sampled": agent(ExplorationType.RANDOM),
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
