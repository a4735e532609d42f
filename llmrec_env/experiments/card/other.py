"""The log of another recommender, on whose held-out users a card asks again."""

from __future__ import annotations

from typing import NamedTuple

from llmrec_env.data.log import InteractionLog
from llmrec_env.data.source import Source
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world import generate_world
from llmrec_env.evaluation.counterfactual import strangers_of

USUALLY_OTHER = {"uniform": "popularity"}
"""Who recommends in the other log of a generated world, by who did in its own: else "uniform"."""


class OtherLog(NamedTuple):
    """Held-out users of another recommender's log, from none of whom a simulator learned.

    Attributes:
        name: what reports call the log.
        users: their interactions.
    """

    name: str
    users: InteractionLog

    @classmethod
    def of(cls, other: Source, source: Source) -> OtherLog:
        """Test users of a log who are no training users of the simulator's.

        Raises:
            DataError: all of them are, by their names.
        """
        return cls(other.name, strangers_of(other.split.test, source.split.train))

    @classmethod
    def of_world(cls, source: Source, seed: int) -> OtherLog | None:
        """The same users of a generated world, to whom somebody else recommended; None where the
        log is of no world, or everybody's last items are held out and nobody is a stranger.

        Args:
            source: the log.
            seed: of the split by user.
        """
        world, train = source.world, source.split.train
        if world is None or set(train.user_ids) & set(source.split.test.user_ids):
            return None
        logging = USUALLY_OTHER.get(world.parameters.logging.policy, "uniform")
        size = (len(world.catalogue), world.log.n_users)
        other = generate_world(world.seed, *size, world.parameters, logging=logging)
        test = split_by_user(other.log, seed).test
        return cls(f"the same world with {logging} recommendations", strangers_of(test, train))
