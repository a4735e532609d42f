"""Is the chance of taking an item right: reliability curves and the expected calibration error.

A chance of taking is a statement about something that was **shown**. What stands against it depends
on what is known (``against``):

``shown``    The log tells what was shown and left. Then every item shown to a user is an outcome:
             taken (1) or left (0), and the chance is compared with the share that was taken.
``left``     The log tells what was taken and nothing else. Then the takes stand beside items that
             the user never took, drawn by popularity, as if they had been shown these and left
             them: as many takes among both as the simulator's own chances say.
``popular``, ``uniform``
             The same log, but nothing counts as left. Items are shown to the simulated users as
             somebody might have shown them who knew nobody, in proportion to how often the log has
             them, or all alike, and the takes of the log stand against these draws: by Bayes' rule

                 P(taken | chance p) = r Q(p) / E(p)

             with Q the share of the takes that have chance p, E that of the items shown, and r the
             mean chance of what was shown. A draw may be an item that would have been taken (Elkan
             and Noto, "Learning classifiers from only positive and unlabeled data", KDD 2008). A
             share above 1 says that takes cannot have come about so at this level r.
``truth``    The true chance of each item shown alike is known (generated world).

Where nobody knows what was shown, the *level* of the chances cannot be judged: it is the
simulator's own (a stated prior, ``accept_rate``). What is judged is where the takes come from.

With bins b of equal mass, half that of the items shown and half that of the takes::

    ECE = sum_b E_b | mean chance in b - P(taken | b) |

(Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
AAAI 2015.) Chance alone makes it larger than 0: ``floor`` is the mean ECE of a perfectly calibrated
simulator with as many takes. Resampled users make it larger once more, so its interval is the
one of :func:`~llmrec_env.evaluation.intervals.centred`, cut at 0: of the ECE as measured, ``floor``
and all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.fidelity.outcomes import TRUTH, Outcomes
from llmrec_env.evaluation.intervals import (
    DRAWS,
    Interval,
    bootstrap,
    centred,
    percentiles,
    resampled,
)

BINS = 10
COLD = 5
"""An item in fewer training histories, or a user with a shorter history, is cold."""
LONG = 20
"""Items of a history from which on it is long."""
FLOORS = 200
"""Perfectly calibrated simulators of which the floor is the mean."""


@dataclass(frozen=True)
class Group:
    """Calibration of some of the items shown.

    Attributes:
        name: which ones.
        of_items: whether it is of items, and not of users.
        chance: their mean chance of being taken.
        observed: the share of them that is taken, with its 95% interval over users.
        ece: within the group, with its interval.
        shown: how many were shown (drawn).
        taken: how many takes of the log are of the group.
    """

    name: str
    of_items: bool
    chance: float
    observed: Interval
    ece: Interval
    shown: int
    taken: int


@dataclass(frozen=True)
class Reliability:
    """A reliability curve with its error.

    Attributes:
        against: which outcomes: "shown", "left", "popular", "uniform" or "truth"; see above.
        chance: the mean chance in each bin, lowest first.
        observed: the share taken in each bin, with its 95% interval over users.
        share: the share of what was shown in each bin.
        ece: expected calibration error, with its interval over users.
        floor: that of a perfectly calibrated simulator with as many takes; 0 against the truth.
        rate: the mean chance of all items shown.
        groups: by popularity of the item, cold items, history length (cold users are the shortest).
            Groups of items share the level of all; groups of histories keep their own where the
            level cannot be known.
    """

    against: str
    chance: tuple[float, ...]
    observed: tuple[Interval, ...]
    share: tuple[float, ...]
    ece: Interval
    floor: float
    rate: float
    groups: tuple[Group, ...] = ()


def reliability(found: Outcomes, against: str, train: InteractionLog, seed: int) -> Reliability:
    """The reliability curve of outcomes, over all and by groups.

    Args:
        found: the outcomes.
        against: what they are.
        train: whose histories say what is popular and what is cold.
        seed: of the bootstrap.
    """
    bins = _bins(found)
    tables = _Tables.of(found, bins)
    drawn = tables.whole[1] > 0  # nothing shown is no point of a curve
    observed = [own for own, there in zip(tables.observed(seed), drawn, strict=True) if there]
    return Reliability(
        against,
        tuple(tables.mean_chance[drawn].tolist()),
        tuple(observed),
        tuple(tables.share[drawn].tolist()),
        tables.error(seed),
        0.0 if against == TRUTH else tables.floor(seed),
        tables.rate,
        tuple(_groups(found, bins, tables.level, train, seed)),
    )


def _bins(found: Outcomes) -> IntArray:
    """The bin of each row: tenths of the mass of items shown and takes together."""
    mass = found.shown / found.shown.sum() + found.taken / max(found.taken.sum(), 1e-12)
    _, place = np.unique(found.chances, return_inverse=True)  # equal chances stay together
    reached = np.cumsum(np.bincount(place, weights=mass))
    middle = reached - np.bincount(place, weights=mass) / 2
    number = np.minimum((BINS * middle / reached[-1]).astype(np.int64), BINS - 1)
    _, dense = np.unique(number[place], return_inverse=True)
    return dense.astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Tables:
    """Sums by user and bin, float64 (n_users, n_bins), from which everything follows."""

    chance: Float64Array
    shown: Float64Array
    taken: Float64Array
    level: float | None
    """How much a take counts; None: so much that takes are as many as the chances say."""

    @classmethod
    def of(cls, found: Outcomes, bins: IntArray, level: float | None = None) -> _Tables:
        _, owner = np.unique(found.owners, return_inverse=True)
        size = (int(owner.max()) + 1, int(bins.max()) + 1)
        key = owner * size[1] + bins

        def table(weights: Float64Array) -> Float64Array:
            flat = np.bincount(key, weights=weights, minlength=size[0] * size[1])
            return flat.reshape(size).astype(np.float64)

        chance, shown = table(found.shown * found.chances), table(found.shown)
        return cls(chance, shown, table(found.taken), 1.0 if found.whole else level)

    def of_sample(self, weights: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Chances, items shown and takes by bin, float64 (n_bins,), of resampled users."""
        chance, shown, taken = weights @ self.chance, weights @ self.shown, weights @ self.taken
        level = chance.sum() / max(taken.sum(), 1e-12) if self.level is None else self.level
        return chance, shown, level * taken

    @property
    def whole(self) -> tuple[Float64Array, Float64Array, Float64Array]:
        return self.of_sample(np.ones(len(self.chance)))

    @property
    def mean_chance(self) -> Float64Array:
        chance, shown, _ = self.whole
        return chance / np.maximum(shown, 1e-12)

    @property
    def share(self) -> Float64Array:
        shown = self.whole[1]
        return shown / shown.sum()

    @property
    def rate(self) -> float:
        chance, shown, _ = self.whole
        return float(chance.sum() / shown.sum())

    def error(self, seed: int) -> Interval:
        """The ECE; its interval is centred, for chance raises it in every sample of users again,
        and ends at 0."""

        def of(weights: Float64Array) -> float:
            chance, shown, taken = self.of_sample(weights)
            return _ratio(float(np.abs(chance - taken).sum()), float(shown.sum()))

        found = bootstrap(of, len(self.chance), seed, of_draws=centred)
        return found._replace(low=max(found.low, 0.0))

    def observed(self, seed: int) -> list[Interval]:
        """The share taken in each bin."""
        n_users = len(self.chance)
        _, shown, taken = self.whole
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = [self.of_sample(w) for w in resampled(n_users, DRAWS, seed)]
            draws = np.array([np.where(there > 0, own / there, np.nan) for _, there, own in sums])
            values = taken / shown
        return [percentiles(float(v), column) for v, column in zip(values, draws.T, strict=True)]

    def mean_observed(self, seed: int) -> Interval:
        def of(weights: Float64Array) -> float:
            _, shown, taken = self.of_sample(weights)
            return _ratio(float(taken.sum()), float(shown.sum()))

        return bootstrap(of, len(self.chance), seed)

    def floor(self, seed: int) -> float:
        """The mean error of a simulator whose chances are right, with as many takes."""
        chance, shown, _ = self.whole
        rng = np.random.default_rng([seed, 33])
        if self.level == 1.0:
            n = np.maximum(np.round(shown), 1).astype(np.int64)
            p = np.clip(chance / np.maximum(shown, 1e-12), 0, 1)
            drawn = rng.binomial(n, p, (FLOORS, len(n))) / n * shown
        else:
            count = round(float(self.taken.sum()))
            drawn = rng.multinomial(count, chance / chance.sum(), FLOORS) * (chance.sum() / count)
        return float(np.abs(drawn - chance).sum(axis=1).mean() / shown.sum())


def _ratio(above: float, below: float) -> float:
    """NaN where nothing stands below: a sample in which nobody was shown anything says nothing."""
    return above / below if below > 0 else float("nan")


def _groups(
    found: Outcomes, bins: IntArray, level: float | None, train: InteractionLog, seed: int
) -> list[Group]:
    """Items share the level of all; histories keep their own where the level is not known."""
    whole = _Tables.of(found, bins, level)
    shared = whole.whole[0].sum() / max(whole.taken.sum(), 1e-12) if level is None else level
    kinds = [(own, True, shared) for own in _of_items(found.items, train).items()]
    kinds += [(own, False, level) for own in _of_histories(found.lengths).items()]
    groups = []
    for (name, rows), of_items, own_level in kinds:
        some = found.where(rows)
        if some.mixed and not of_items:
            some = some.in_own_mix()  # nobody knows what was shown to whom
        if not some.shown.sum():
            continue
        tables = _Tables.of(some, bins[rows], own_level)
        shown, taken = int((some.shown > 0).sum()), int((some.taken > 0).sum())
        observed, error = tables.mean_observed(seed), tables.error(seed)
        groups.append(Group(name, of_items, tables.rate, observed, error, shown, taken))
    return groups


def _of_items(items: IntArray, train: InteractionLog) -> dict[str, BoolArray]:
    """Which rows are about items of which popularity: in how many training histories they are."""
    pairs = np.unique(train.row_users * train.n_items + train.items)
    histories = np.bincount(pairs % train.n_items, minlength=train.n_items)
    warm, own = histories[histories >= COLD], histories[items]
    low, high = np.quantile(warm, (1 / 3, 2 / 3)) if len(warm) else (0.0, 0.0)
    return {
        f"cold items (in fewer than {COLD} training histories)": own < COLD,
        "rarer third of the other items": (own >= COLD) & (own <= low),
        "middle third of the items": (own >= COLD) & (own > low) & (own <= high),
        "most popular third of the items": (own >= COLD) & (own > high),
    }


def _of_histories(lengths: IntArray) -> dict[str, BoolArray]:
    """Which rows are about users who took how many items before."""
    return {
        f"cold users (histories of fewer than {COLD} items)": lengths < COLD,
        f"histories of {COLD} to {LONG - 1} items": (lengths >= COLD) & (lengths < LONG),
        f"histories of {LONG} items or more": lengths >= LONG,
    }
