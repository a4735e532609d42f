"""The constants of a generated world."""

from __future__ import annotations

from dataclasses import dataclass, field

from llmrec_env.data.world.logging_policy import LoggingParameters
from llmrec_env.data.world.taste import TasteParameters


@dataclass(frozen=True)
class WorldParameters:
    """The constants of a world.

    Attributes:
        n_factors: k, the dimensions of taste.
        taste: how users like and move.
        shared_taste: the taste that all users share, relative to a user's own.
        attribute_share, pair_share, unwritten_share: variance of the item factors from the
            attributes one by one, from genre and mood together, and from what no text tells.
        exposure_quality, exposure_spread: log exposure from quality, and from chance.
        logging: who recommended while the log was made, and what the log keeps of it.
        slate_size: items drawn for a user at each step of the log.
        choice_sharpness: of the softmax of utility by which the user picks one of them.
        accept_sharpness: of the probability that a shown item is taken, online.
        min_length, mean_length, max_length: interactions of a user.
        leave_rate: probability that a user without any trust leaves after an interaction.
    """

    n_factors: int = 8
    taste: TasteParameters = field(default_factory=TasteParameters)
    shared_taste: float = 0.3
    attribute_share: float = 0.7
    pair_share: float = 0.15
    unwritten_share: float = 0.15
    exposure_quality: float = 0.4
    exposure_spread: float = 0.7
    logging: LoggingParameters = field(default_factory=LoggingParameters)
    slate_size: int = 25
    choice_sharpness: float = 3.0
    accept_sharpness: float = 2.0
    min_length: int = 6
    mean_length: float = 25.0
    max_length: int = 100
    leave_rate: float = 0.3
