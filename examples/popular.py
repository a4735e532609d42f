"""The most popular items among the training users, as an agent: a function of many users at once.

You see what random items and the popular ones earn from the same held-out users. Unmasked it shows
the same item always; with ``--masks`` the most popular that the user has not seen.

    python examples/popular.py --masks
"""

import argparse

import numpy as np

import llmrec_env
from llmrec_env.data.splits import split_by_user


def main(id, masks, episodes):
    """Count in the training users' log, compare among the test users."""
    users = split_by_user(llmrec_env.generate_world().log)
    counts = users.train.item_counts()

    def popular(turn):
        allowed = turn.masks() if masks else np.ones((len(turn.starts), len(counts)), dtype=bool)
        return np.where(allowed, counts, -1).argmax(axis=1)

    print(llmrec_env.compare_agents({"greedy": popular}, id, episodes, users=users.test))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--id", default="LLMRec/NextItem-v1", help="the environment")
    parser.add_argument("--masks", action="store_true", help="never a seen item")
    parser.add_argument("--episodes", type=int, default=100, help="held-out users")
    main(**vars(parser.parse_args()))
