"""d3rlpy learns from a log that a language model has labelled and augmented.

You see progress bars while the LE reads the log and proposes actions and while the algorithms
learn, then a line for each of DiscreteBC and DiscreteCQL, without and with augmentation: what it
earns from held-out users in the environment, beside random recommendations.

    python examples/d3rlpy_offline.py --steps 2000
"""

import argparse

import llmrec_env
from llmrec_env.data.splits import split_by_user
from llmrec_env.evaluation.policies import RandomPolicy
from llmrec_env.offline.d3rlpy import ALGORITHMS, D3rlpyPolicy, to_mdp_dataset, train
from llmrec_env.users.language import embedded_user


def main(users: int, steps: int, episodes: int) -> None:
    """Log -> transitions -> MDPDataset -> algorithm -> returns."""
    simulator = embedded_user()
    log = split_by_user(llmrec_env.generate_world().log).train.select_users(range(users))
    random = llmrec_env.evaluate_policy(RandomPolicy(seed=0), simulator, episodes=episodes)
    report = [f"{'random':<25} return {random.mean:6.2f}"]
    for augment in (0, 1):
        table = llmrec_env.transitions(log, simulator, augment=augment, ask_follow_up=False)
        dataset = to_mdp_dataset(table)
        for algorithm in (ALGORITHMS["bc"], ALGORITHMS["cql"]):
            algo = algorithm.create(table.kind, table.n_items, hidden=(256, 256))
            train(algo, dataset, n_steps=steps)
            policy = D3rlpyPolicy(algo)
            returns = llmrec_env.evaluate_policy(policy, simulator, episodes=episodes)
            kind = f"{algorithm.library_name} {'augmented' if augment else 'logged'}"
            gain = returns.difference(random)
            report.append(
                f"{kind:<25} return {returns.mean:6.2f} · above random {gain.mean:+.2f} "
                f"[{gain.low:+.2f}, {gain.high:+.2f}] · {dataset.transition_count:,} transitions"
            )
    print("\n".join(report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=400, help="training users")
    parser.add_argument("--steps", type=int, default=2000, help="gradient steps of each algorithm")
    parser.add_argument("--episodes", type=int, default=100, help="held-out users")
    main(**vars(parser.parse_args()))
