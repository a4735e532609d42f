"""Does a simulated user have enough of the same for a while, as true users do?

    python benchmarks/satiation.py --worlds sated,stationary

LEs without a language model learn from a world's training users, with a mean of long memory beside
the recent one (``LanguageEnvironmentConfig.long_run``) and, as a control, without it. Test users
then take the item that they truly like best and the two most like it. How do answers move about
five more like these, less those about five unlike them, right after it and after five other items?
In log odds of taking, beside the true users. The second table lets a policy that looks ahead play
against the greedy one, among simulated and true users (``llmrec_env.evaluation.fidelity.gains``).
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world import World, generate_world
from llmrec_env.data.world.presets import world_arguments
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.fidelity import gains_over_greedy, truth_agreement
from llmrec_env.evaluation.intervals import Interval, interval
from llmrec_env.language.fitting import FitConfig, fit_language_environment
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.model import LanguageEnvironmentConfig
from llmrec_env.language.validation import validate
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.true_taste import TrueTasteUser

TAKEN, ASKED, OTHERS = 3, 5, 5
"""Items alike that are taken, items that are asked about, and other items taken afterwards."""


def learned(split: Split, long_run: bool) -> LanguageUser:
    """An LE without a language model."""
    config = FitConfig(
        LanguageEnvironmentConfig(item_ids=True, long_run=long_run),
        learning=LearningConfig(learning_rate=3e-3, epochs=24, patience=6),
        language_model=False,
    )
    return LanguageUser(
        fit_language_environment(split.train, split.validation, config=config, users=split.test)
    )


class Probes:
    """What test users take, and what they are asked about before and after it."""

    def __init__(self, world: World, split: Split) -> None:
        histories = InitialHistories(split.test)
        self.users = histories.eligible
        self.histories = [histories.history(int(user)) for user in self.users]
        likings = TrueTasteUser(world, split.test).true_liking(self.histories, self.users)
        rows = [self._of(world, *own) for own in zip(self.histories, likings, strict=True)]
        self.run, self.same, self.unlike, self.others = map(np.stack, zip(*rows, strict=True))

    @staticmethod
    def _of(world: World, history: IntArray, liking: Float64Array) -> tuple[IntArray, ...]:
        unseen = np.setdiff1d(np.arange(len(liking)), history)
        best = int(unseen[liking[unseen].argmax()])
        cosines = world.factors[unseen] @ world.factors[best]
        alike, unlike = unseen[np.argsort(-cosines)], unseen[np.argsort(np.abs(cosines))]
        return (
            alike[:TAKEN],
            alike[TAKEN : TAKEN + ASKED],
            unlike[:ASKED],
            unlike[ASKED : ASKED + OTHERS],
        )

    def moved(self, who: UserSimulator) -> tuple[Float64Array, Float64Array]:
        """By how much answers move, user by user: right after the run, and after other items."""
        run = [np.concatenate(own) for own in zip(self.histories, self.run, strict=True)]
        later = [np.concatenate(own) for own in zip(run, self.others, strict=True)]
        at = [self._apart(who, histories) for histories in (self.histories, run, later)]
        return at[1] - at[0], at[2] - at[0]

    def _apart(self, who: UserSimulator, histories: list[IntArray]) -> Float64Array:
        """Log odds of taking what is like the run, less those of what is unlike it."""
        session = who.open(histories, self.users)
        sides = []
        for items in (self.same, self.unlike):
            chances = [session.respond(items[:, k]).accept_probability for k in range(ASKED)]
            p = np.clip(np.array(chances, dtype=np.float64), 1e-6, 1 - 1e-6)
            sides.append(np.log(p / (1 - p)).mean(axis=0))
        return np.asarray(sides[0] - sides[1])


def cell(found: Interval, digits: int = 2) -> str:
    """A mean and its interval."""
    return f"{found.mean:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"


def main() -> None:
    """Print both tables, a world at a time."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--worlds", default="sated,stationary", help="generated worlds, with commas"
    )
    parser.add_argument("--items", type=int, default=400, help="items of the catalogue")
    parser.add_argument("--users", type=int, default=1000, help="users of the log")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    args = parser.parse_args()
    console = Console(width=170)
    for name in args.worlds.split(","):
        world = generate_world(args.seed, args.items, args.users, **world_arguments(name))
        split = split_by_user(world.log, args.seed)
        truth, probes = TrueTasteUser(world, split.test), Probes(world, split)
        answers = Table(
            "world", "who", "NDCG@10, test", "accuracy of taking", "Spearman with the truth"
        )
        for column in ("right after", "after five others", "correlation with the truth"):
            answers.add_column(column)
        gains = Table("world", "who", "policy", "gain, simulated", "gain, true", "same sign")
        true = probes.moved(truth)
        answers.add_row(name, "true users", "", "", "", *(cell(interval(own)) for own in true))
        for who, long_run in (("LE, recent mean alone", False), ("LE", True)):
            user = learned(split, long_run)
            told = validate(user.model, split.test, mask_seen=True)
            agreement = truth_agreement(user, truth, split.train, split.test).simulator
            moved = probes.moved(user)
            answers.add_row(
                name,
                who,
                f"{told['NDCG@10']:.4f}",
                f"{told['accuracy']:.3f}",
                f"{agreement.mean():.3f}",
                *(cell(interval(own)) for own in moved),
                f"{np.corrcoef(moved[0], true[0])[0, 1]:+.2f}",
            )
            for policy, gain in gains_over_greedy(user, split.test, truth).items():
                assert gain.true is not None
                agrees = "yes" if gain.agrees else "no"
                told_gains = cell(gain.simulated), cell(gain.true)
                gains.add_row(name, who, policy, *told_gains, agrees)
        console.print(answers)
        console.print(gains)


if __name__ == "__main__":
    main()
