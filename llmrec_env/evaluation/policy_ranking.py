"""``policy_ranking``: does a simulator put policies in the order in which true users would?

From the returns that policies earn from simulated users and from true ones, user by user. Nothing
here knows who the users are, so returns of any simulator will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import DataError
from llmrec_env.evaluation.intervals import Interval, interval
from llmrec_env.evaluation.judge_quality import DRAWS, PolicyScores, better_half, judge_quality
from llmrec_env.evaluation.returns import PolicyReturns

FEWEST = 3
"""Policies whose order says anything."""
TAU, TAU_BETTER, REGRET = 0.85, 0.6, 0.03
"""What a simulator is to reach: order of all policies, order of the better half, and loss."""
Returns = Mapping[str, PolicyReturns | ArrayLike]
"""What each policy earned from each user: float (n_users,), or what ``evaluate_policy`` gave."""


@dataclass(frozen=True)
class Inversion:
    """Two policies of which the simulator says the opposite of the truth, each beyond chance.

    Attributes:
        liked: the policy that earns more among simulated users.
        better: the one that earns more among true users.
        simulated: by how much ``liked`` is above ``better`` among simulated users; above 0.
        true: the same among true users; below 0.
    """

    liked: str
    better: str
    simulated: Interval
    true: Interval


@dataclass(frozen=True, eq=False)
class PolicyRanking:
    """How far the order of policies among simulated users is that among true users.

    Intervals are 95% bootstrap intervals over users: every sample draws users, with all their
    returns in both worlds. Chance in the returns pulls a sample's tau below that of all users, so
    the intervals lie rather low.

    Attributes:
        policies: their names, in the order given.
        simulated: mean return among simulated users, float64 (n_policies,).
        true: mean return among true users, float64 (n_policies,).
        tau: Kendall's tau-b over all policies; its mean is NaN where one of the two worlds gives
            all of them the same mean return, so that there is no order to compare.
        better: the better half of the policies by true return, best first.
        tau_better: tau-b among these, NaN as above. They stay the same in every sample.
        chosen: the policy with the highest return among simulated users.
        best: the one with the highest among true users.
        regret: the share of the best true return that choosing ``chosen`` loses; every sample
            chooses anew. NaN where no policy earns more than 0 among true users.
        inversions: pairs whose differences are beyond chance in both worlds (95% intervals of the
            paired differences), in opposite directions; the largest true loss first.
    """

    policies: tuple[str, ...]
    simulated: Float64Array
    true: Float64Array
    tau: Interval
    better: tuple[str, ...]
    tau_better: Interval
    chosen: str
    best: str
    regret: Interval
    inversions: tuple[Inversion, ...]

    def __str__(self) -> str:
        regret = f"{self.regret.mean:.1%} [{self.regret.low:.1%}, {self.regret.high:.1%}]"
        lines = [
            f"tau {_bounds(self.tau)} over {len(self.policies)} policies, "
            f"{_bounds(self.tau_better)} among the {len(self.better)} better ones",
            f"choosing {self.chosen} loses {regret} of what {self.best} earns"
            if not isnan(self.regret.mean)
            else "no policy earns more than 0 among true users, so no share of it can be lost",
            f"{len(self.inversions)} significant inversions",
        ]
        return "\n".join(lines)


def policy_ranking(
    simulated: Returns, true: Returns, draws: int = DRAWS, seed: int = 0
) -> PolicyRanking:
    """Compare the order of policies among simulated users with that among true users.

    ```python
    policy_ranking({"a": returns_a, "b": returns_b, "c": returns_c}, {"a": …, "b": …, "c": …})
    ```

    Args:
        simulated: the returns of each policy among simulated users.
        true: those of the same policies among true users. The users, initial histories and luck
            are to be the same ones, in the same order: the bootstrap draws them together.
        draws: bootstrap samples of the users.
        seed: of these.

    Raises:
        DataError: fewer than three policies, not the same ones in both, returns of different
            users, or returns that are no finite numbers.
    """
    names, returns = _checked(simulated, true)
    told, true_scores = (PolicyScores.of_returns(world, draws, seed) for world in returns)
    found = judge_quality(told, true_scores)
    better = better_half(true_scores.values)
    return PolicyRanking(
        policies=names,
        simulated=told.values,
        true=true_scores.values,
        tau=found.tau,
        better=tuple(names[place] for place in better),
        tau_better=found.tau_better,
        chosen=names[found.chosen],
        best=names[int(better[0])],
        regret=found.regret,
        inversions=_inversions(names, returns),
    )


def _inversions(names: Sequence[str], returns: Float64Array) -> tuple[Inversion, ...]:
    found = []
    for a, b in combinations(range(len(names)), 2):
        told = interval(returns[0, a] - returns[0, b])
        liked, better = (a, b) if told.mean > 0 else (b, a)
        pair = [interval(world[liked] - world[better]) for world in returns]
        if pair[0].low > 0 and pair[1].high < 0:
            found.append(Inversion(names[liked], names[better], pair[0], pair[1]))
    return tuple(sorted(found, key=lambda inversion: inversion.true.mean))


def _checked(simulated: Returns, true: Returns) -> tuple[tuple[str, ...], Float64Array]:
    """The policies' names and their returns, float64 (2, n_policies, n_users)."""
    names = tuple(simulated)
    if set(names) != set(true):
        others = sorted(set(names) ^ set(true))
        raise DataError(f"both worlds must have the same policies; only one has {others}")
    if len(names) < FEWEST:
        raise DataError(f"the order of {len(names)} policies says nothing; give {FEWEST} or more")
    _check_users([world[name] for world in (simulated, true) for name in names])
    worlds = [[_array(name, world[name]) for name in names] for world in (simulated, true)]
    lengths = {len(returns) for world in worlds for returns in world}
    if len(lengths) > 1:
        raise DataError(
            "all policies must have faced the same users in both worlds; got returns of "
            f"{' and '.join(map(str, sorted(lengths)))} users"
        )
    return names, np.array(worlds)


def _check_users(returns: Sequence[Any]) -> None:
    """Refuse what says that its users or their luck were others."""
    told = [given for given in returns if isinstance(given, PolicyReturns)]
    if len({(given.user_ids, given.seed) for given in told}) > 1:
        raise DataError(
            "returns are compared user by user: evaluate every policy in both worlds with the "
            "same users, episodes and seed"
        )


def _array(name: str, given: PolicyReturns | ArrayLike) -> NDArray[np.float64]:
    values = given.returns if isinstance(given, PolicyReturns) else given
    returns = np.asarray(values, dtype=np.float64)
    if returns.ndim != 1 or not len(returns) or not np.isfinite(returns).all():
        raise DataError(
            f"the returns of {name!r} must be finite numbers, one a user; got an array of shape "
            f"{returns.shape}"
        )
    return returns


def _bounds(of: Interval) -> str:
    if isnan(of.mean):
        return "undefined (all earn the same in one world)"
    return f"{of.mean:.2f} [{of.low:.2f}, {of.high:.2f}]"
