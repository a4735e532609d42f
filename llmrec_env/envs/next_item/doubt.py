"""``Doubt``: what an environment pays where its simulator may be wrong.

A policy that learns in a simulator finds its errors: it is paid most where the simulator flatters
most. ``Doubt`` pays less there. It knows two signs of an error, both of which need no truth: the
members of an ensemble disagree, or the log's users hardly ever took such an item::

    reward = mean_k r_k - pessimism * sd_k r_k            or  the lower quantile of r_1 ... r_K
    reward = reward * (1 - support_penalty * (1 - min(1, n_items * p(item | state))))

in [0, 1], where p is the simulator's action model: what the log's users with such a history
took next. An item that it names as often as a uniform choice would, or more often, costs nothing.

With ``randomise="episode"`` one member, drawn by the row's own generator, answers a whole episode:
the agent learns among users any of whom may be the true one (domain randomisation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray
from llmrec_env.common.checks import check_number
from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.common.wording import shown
from llmrec_env.envs.common.checks import check_name
from llmrec_env.users.base import Response, Session, UserSimulator

RANDOMISE = ("episode",)


@dataclass(frozen=True)
class Doubt:
    """How rewards are lowered, as :func:`resolve_doubt` checked it; by default not at all."""

    pessimism: float = 0.0
    quantile: float | None = None
    support_penalty: float = 0.0
    randomise: bool = False

    @property
    def lowers(self) -> bool:
        """Whether what is paid may be less than what the simulator says."""
        return self.pessimism > 0 or self.quantile is not None or self.support_penalty > 0

    def paid(
        self,
        simulator: UserSimulator,
        session: Session,
        items: IntArray,
        response: Response,
        members: IntArray,
    ) -> tuple[Response, Response]:
        """What is paid for an answer, and the answer by which it is decided what is taken.

        Args:
            simulator: who answered.
            session: its session, before anything is taken.
            items: int64 (N,), the items shown.
            response: what was answered.
            members: int64 (N,), who answers for each row, where one was drawn.

        Returns:
            What the liking and the chance of taking are worth, float32 (N,) each; and the same
            lowered by nothing: ``response``, or the answer of the member drawn.
        """
        worth: list[NDArray[np.floating[Any]]] = [*response]
        if self.randomise:
            assert session.members is not None
            rows = np.arange(len(members))
            worth = [part[members, rows] for part in session.members]
            response = Response(*worth)
        elif self.lowers and session.members is not None:
            worth = [self._lowered(part) for part in session.members]
        if self.support_penalty > 0:
            kept = 1.0 - self.support_penalty * (1.0 - support(simulator, session, items))
            worth = [part * kept for part in worth]
        return Response(*(part.astype(np.float32) for part in worth)), response

    def _lowered(self, answers: FloatArray) -> FloatArray:
        """Answers (K, N) of members as one, (N,)."""
        if self.quantile is not None:
            return np.quantile(answers, self.quantile, axis=0)
        return np.clip(answers.mean(0) - self.pessimism * answers.std(0), 0.0, 1.0)


def support(simulator: UserSimulator, session: Session, items: IntArray) -> Float64Array:
    """How usual items are among the log's users with such states, float64 (N,) in [0, 1].

    The probability that the simulator's action model gives the item, as a share of a uniform
    choice's, at most 1. It takes the logits of the whole catalogue.
    """
    logits = np.asarray(simulator.preferences(session.states), dtype=np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    chances = np.exp(logits)
    own = np.take_along_axis(chances, items[:, None], axis=1)[:, 0]
    return np.minimum(1.0, own * logits.shape[1] / chances.sum(axis=1))


def spreads(session: Session, num_rows: int, simulator: UserSimulator) -> Response:
    """Standard deviation over members of both answers, float32 (N,) each.

    Raises:
        SimulatorError: the session does not say what each member answered.
    """
    expected = (simulator.n_members, num_rows)
    shapes = [] if session.members is None else [part.shape for part in session.members]
    if session.members is None or any(shape != expected for shape in shapes):
        raise SimulatorError(
            f"{type(simulator).__name__} has {simulator.n_members} members, so after respond() its "
            f"session has what each answered in members, a Response of arrays {expected}; got "
            f"{shapes or None}"
        )
    return Response(*(part.std(axis=0).astype(np.float32) for part in session.members))


def resolve_doubt(
    simulator: UserSimulator,
    pessimism: Any = None,
    quantile: Any = None,
    support_penalty: Any = None,
    randomise: Any = None,
) -> Doubt:
    """The arguments of an environment, checked.

    Args:
        simulator: who answers.
        pessimism: standard deviations over members that a reward loses, at least 0.
        quantile: which quantile of the members' rewards is paid, in [0, 1].
        support_penalty: share of its reward that an item loses which the log's users would never
            take, in [0, 1].
        randomise: ``"episode"``, or None.

    Raises:
        SettingError: a number is out of range, two do not go together, or the simulator has no
            members, or no action model, of whom to ask it.
    """
    if pessimism is not None:
        pessimism = check_number("pessimism", pessimism, 0.0)
    for name, share in (("quantile", quantile), ("support_penalty", support_penalty)):
        if share is not None and check_number(name, share, 0.0) > 1:
            raise SettingError(f"{name} must lie in [0, 1], got {shown(share)}")
    if randomise is not None:
        check_name("randomise", randomise, RANDOMISE, "None")
    given = {"pessimism": pessimism, "quantile": quantile, "randomise": randomise}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise SettingError(
            f"{' and '.join(named)} do not go together: each says in its own way which of the "
            "members' answers is paid"
        )
    if named and simulator.n_members < 2:
        raise SettingError(
            f"{named[0]}={shown(given[named[0]])} is for an ensemble, and "
            f"{type(simulator).__name__} answers alone: make one with `llmrec ensemble`, or put "
            "several simulators into a UserEnsemble"
        )
    if support_penalty and not simulator.has_action_model:
        raise SettingError(
            f"support_penalty= asks what the log's users take, and {type(simulator).__name__} "
            "has no action model that says it (preferences)"
        )
    return Doubt(
        pessimism or 0.0,
        None if quantile is None else float(quantile),
        float(support_penalty or 0.0),
        randomise is not None,
    )
