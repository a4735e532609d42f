"""Who judges a panel: simulated users, and true ones, where somebody knows what they answer."""

from __future__ import annotations

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.source import Source
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.rated import RatedUser, who_rated_everything
from llmrec_env.users.states_from import StatesFrom
from llmrec_env.users.true_taste import TrueTasteUser


def known_users(source: Source, part: InteractionLog) -> InteractionLog:
    """The users of a part of a log of whom the truth is known: all of a generated world, else
    those who rated everything.

    Raises:
        SettingError: it is known of nobody.
    """
    if source.world is not None:
        return part
    try:
        if FeedbackScale.of(source.split.train) is None:
            raise DataError("it has no ratings")
        return who_rated_everything(part, share=1.0)
    except DataError as error:
        raise SettingError(
            f"nobody knows what the users of {source.name} would have answered ({error}), so there "
            "is no truth to rank policies by: leave --data out for the generated world, or give a "
            "log with users who rated every item"
        ) from None


def has_truth(source: Source) -> bool:
    """Whether anybody knows what test users would have answered."""
    try:
        known_users(source, source.split.test)
    except SettingError:
        return False
    return True


def true_users(source: Source, simulator: UserSimulator, part: InteractionLog) -> UserSimulator:
    """Those users as they truly are, seen through the states of the simulator.

    Raises:
        SettingError: nobody knows the truth.
    """
    users = known_users(source, part)
    if source.world is not None:
        truth: UserSimulator = TrueTasteUser(source.world, users=users)
    else:
        truth = RatedUser(users, users, FeedbackScale.of(source.split.train))
    return StatesFrom(truth, observer=simulator)


def judges(source: Source, simulator: UserSimulator) -> dict[str, UserSimulator]:
    """Simulated users ("LE") and true ones ("truth"): the same people, with the same histories.

    Raises:
        SettingError: nobody knows the truth.
    """
    truth = true_users(source, simulator, source.split.test)
    assert truth.users is not None
    return {"LE": simulator.with_users(truth.users), "truth": truth}
