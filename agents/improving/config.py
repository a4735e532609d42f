"""``ImproveConfig``: how a recommender is improved, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from llmrec_env.common.checks import check_counts, check_number
from llmrec_env.common.errors import SettingError


@dataclass(frozen=True)
class ImproveConfig:
    """How a recommender is improved.

    Raises:
        SettingError: a number is out of range.
    """

    steps: int = 1
    """Steps of improvement."""
    episodes: int = 512
    """Episodes of a step, each of another user; as many as there are users at most."""
    asked: int = 16
    """Items that a user is asked about at every moment, the one that is shown among them."""
    shortlist: int = 50
    """Items that the recommender ranks highest, of which those are drawn."""
    weight: float = 5.0
    """What a Q of 1 is worth in log-probability: how far it may go from the recommender."""
    temperature: float = 0.25
    """By which scores are divided before the item that is shown while learning is drawn."""
    pessimism: float = 1.0
    """Standard deviations over the members of an ensemble that a liking loses."""
    discount: float = 0.9
    """Of what follows; 0: nothing counts but how the item itself is liked."""
    gradient_steps: int = 600
    """By which V and Q are each fitted."""
    users_at_once: int = 128
    """Users asked at once."""
    seed: int = 0
    """Of users, luck, draws and fits."""

    def __post_init__(self) -> None:
        check_counts(
            steps=self.steps,
            episodes=self.episodes,
            gradient_steps=self.gradient_steps,
            users_at_once=self.users_at_once,
        )
        check_counts(1000, 2, asked=self.asked, shortlist=self.shortlist)
        for name in ("weight", "pessimism", "discount"):
            check_number(name, getattr(self, name), 0.0)
        if self.weight == 0:
            raise SettingError("weight must be above 0: at 0 the recommender would stay as it is")
        check_number("temperature", self.temperature, 1e-3)
        if self.discount > 1:
            raise SettingError(f"discount must lie in [0, 1], got {self.discount}")
