"""LEA on MovieLens, or on any other log that ``llmrec_env.load`` reads.

You see progress bars while a language model learns from the training users and three recommenders
learn from the log: the plain backbone, SNQN (with Q-learning) and LEASR (with the LE's states,
rewards and actions). Then a table: how well each ranks the next item of held-out users among all
items, beside popularity and the LE by itself. Without a folder it runs on the generated world.

    python examples/lea_movielens.py path/to/ml-latest-small
    python examples/lea_movielens.py --small --users 300 --epochs 2
"""

import argparse

import llmrec_env
from agents import LEA, SNQN, Supervised
from agents.backbones import BACKBONES
from llmrec_env.common.help import HelpFormatter
from llmrec_env.data.repeats import masks_seen
from llmrec_env.data.splits import split_by_user
from llmrec_env.evaluation.ranking import Popularity, SimulatorRanker
from llmrec_env.language.fitting import FitConfig, fit_language_environment
from llmrec_env.language.item_tokens import ItemTokenConfig
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.lm.small_model import SmallModelConfig

SMALL = FitConfig(
    small_model=SmallModelConfig(hidden_size=32, layers=1, min_steps=30, max_steps=30),
    item_tokens=ItemTokenConfig(steps=1),
    learning=LearningConfig(epochs=1, min_steps=30, validations=2),
)
METRICS = ("HR@5", "NDCG@5", "HR@10", "NDCG@10", "HR@20", "NDCG@20")


def main(data: str | None, backbone: str, users: int, epochs: int, small: bool) -> None:
    """Load, split by user, fit the LE, train, rank."""
    log = llmrec_env.load(data) if data else llmrec_env.generate_world().log
    split = split_by_user(log.select_users(range(min(users, log.n_users))))
    model = fit_language_environment(split.train, split.validation, config=SMALL if small else None)
    simulator = llmrec_env.LanguageUser(model)
    rankers = {"popularity": Popularity(split.train), "LE alone": SimulatorRanker(simulator)}
    for agent in (
        Supervised(backbone, epochs=epochs),
        SNQN(backbone, epochs=epochs),
        LEA(backbone, state=True, reward=True, augment=True, epochs=epochs),
    ):
        rankers[agent.name] = agent.fit(split.train, simulator, validation=split.validation)
    masked = masks_seen(split.train)  # as validation chose: nobody takes a film twice
    title = f"test users, seen items {'masked' if masked else 'unmasked'}"
    print(f"{title:<32}" + "".join(f"{name:>9}" for name in METRICS))
    for name, ranker in rankers.items():
        metrics = llmrec_env.evaluate_ranking(ranker, split.test, mask_seen=masked)
        print(f"{name:<32}" + "".join(f"{metrics[key]:9.4f}" for key in METRICS))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument(
        "data", nargs="?", help="folder of a dataset; the generated world if absent"
    )
    parser.add_argument(
        "--backbone", default="sasrec", choices=list(BACKBONES), help="encoder of histories"
    )
    parser.add_argument("--users", type=int, default=2000, help="users of the log, at most")
    parser.add_argument("--epochs", type=int, default=40, help="passes of a recommender, at most")
    parser.add_argument("--small", action="store_true", help="a tiny LE, to see it run")
    main(**vars(parser.parse_args()))
