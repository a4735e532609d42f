"""d3rlpy learns from a log that a simulated user has labelled, then goes on among such users.

You see progress bars while the user reads the log and while the algorithm learns, then what random
actions and the algorithm, after the log and after the users, earn from the same held-out users with
the same luck: greedy, without masks.

    python examples/d3rlpy_offline.py
    python examples/d3rlpy_offline.py --algorithm td3_bc --user true
"""

import argparse

import d3rlpy
import gymnasium as gym

import llmrec_env
from llmrec_env.data.splits import split_by_user
from llmrec_env.evaluation.agents import Comparison, evaluate_agent, random_agent
from llmrec_env.offline.d3rlpy import ALGORITHMS, to_mdp_dataset, train, train_online
from llmrec_env.users.language import embedded_user
from llmrec_env.users.true_taste import TrueTasteUser

IDS = {"item": "LLMRec/NextItem-v1", "embedding": "LLMRec/ItemEmbedding-v0"}
EXPLORERS = {"item": d3rlpy.algos.ConstantEpsilonGreedy(0.1), "embedding": None}


def main(algorithm, user, users, steps, online, episodes, augment):
    """Log -> dataset -> algorithm -> returns -> environment -> returns."""
    learner, world = ALGORITHMS[algorithm], llmrec_env.generate_world()
    split = split_by_user(world.log)
    user = embedded_user() if user == "le" else TrueTasteUser(world, split.test)
    log = split.train.select_users(range(users))
    table = llmrec_env.transitions(log, user, augment=augment, ask_follow_up=False)
    labeller = user if learner.actions == "embedding" else None
    dataset = to_mdp_dataset(table, labeller, actions=learner.actions)
    algo = learner.create(table.kind, table.n_items)

    known = {"simulator": user, "observation": "bare_state"}

    def returns(agent):
        return evaluate_agent(agent, IDS[learner.actions], episodes, users=split.test, **known)

    def greedy(turn):
        return algo.predict(turn.observations)

    train(algo, dataset, n_steps=steps)
    found = {"offline": returns(greedy)}
    env = gym.make(IDS[learner.actions], users=split.train, **known)
    train_online(algo, env, online, buffer=dataset, explorer=EXPLORERS[learner.actions])
    found["online"] = returns(greedy)
    print(f"{learner.library_name}, {dataset.transition_count:,} transitions")
    print(Comparison(returns(random_agent), found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--algorithm", choices=list(ALGORITHMS), default="cql", help="what learns")
    parser.add_argument("--user", choices=("le", "true"), default="le", help="who answers")
    parser.add_argument("--users", type=int, default=400, help="training users of the log")
    parser.add_argument("--steps", type=int, default=1000, help="gradient steps on the log")
    parser.add_argument("--online", type=int, default=2000, help="items shown to users after it")
    parser.add_argument("--episodes", type=int, default=100, help="held-out users")
    parser.add_argument("--augment", type=int, default=0, help="actions added to each step")
    main(**vars(parser.parse_args()))
