"""The generated world: items, users and a log whose true preferences are known.

An item's factors mix its attributes, a pairwise effect of genre and mood, its maker's hand and a
part that nothing written tells; :mod:`llmrec_env.data.grammar` writes its text from the attributes
alone. The log comes from a popularity-biased policy: each step, a slate is drawn in proportion to
the items' exposure and the user picks from it by a sharp softmax of true utility
(:mod:`llmrec_env.data.taste`). Nobody takes an item twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmrec_env.common.errors import DataError
from llmrec_env.data.catalog import Catalog
from llmrec_env.data.grammar import ATTRIBUTES, MAKERS, write_catalog
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.taste import Float64Array, IntArray, Mind, TasteModel, TasteParameters

START_OF_TIME = 1_600_000_000
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class WorldParameters:
    """The constants of a world; the shares of the factors' variance are relative to one another."""

    n_factors: int = 8
    taste: TasteParameters = field(default_factory=TasteParameters)
    shared_taste: float = 0.3
    """Length of the mean taste of all users, relative to one user's own."""
    attribute_share: float = 0.55
    pair_share: float = 0.2
    unwritten_share: float = 0.25
    exposure_quality: float = 0.4
    exposure_spread: float = 0.7
    slate_size: int = 25
    choice_sharpness: float = 3.0
    accept_sharpness: float = 2.0
    min_length: int = 6
    mean_length: float = 25.0
    max_length: int = 100


@dataclass(frozen=True, eq=False)
class World:
    """A generated world, the same for the same arguments of :func:`generate_world`.

    Attributes:
        seed: what it was generated from.
        catalog: the items with their texts.
        log: what the users did, with times; their ids are ``u00000``, ``u00001``, …
        attributes: the hidden attributes of the items by name, each int64 (n_items,).
        exposure: float64 (n_items,), how often the logging policy offers an item, up to a factor.
        model: the true preferences: item factors, qualities, and how taking moves a user.
        tastes: float64 (n_users, n_factors), the users before their first interaction.
        parameters: the constants.
    """

    seed: int
    catalog: Catalog
    log: InteractionLog
    attributes: dict[str, IntArray]
    exposure: Float64Array
    model: TasteModel
    tastes: Float64Array
    parameters: WorldParameters = field(default_factory=WorldParameters)

    @property
    def factors(self) -> Float64Array:
        """True item factors, float64 (n_items, n_factors), unit rows."""
        return self.model.factors

    @property
    def quality(self) -> Float64Array:
        """True item qualities, float64 (n_items,)."""
        return self.model.quality

    def user_rows(self, user_ids: pl.Series) -> IntArray:
        """Rows of the world's users with these ids, int64; -1 for an id that is none of them."""
        rows = {user_id: row for row, user_id in enumerate(self.log.user_ids)}
        return np.array([rows.get(user_id, -1) for user_id in user_ids], dtype=np.int64)

    def estimate_tastes(self, histories: Sequence[IntArray]) -> Float64Array:
        """First tastes of strangers, float64 (N, n_factors), from what they took.

        The shrunken mean of the taken factors, ``prior + slope * n / (n + 4) * (mean f - usual)``,
        with the slope that fits the world's own users best (least squares).
        """
        prior, usual, slope = self._taste_regression
        evidence = np.array([self._evidence(history, usual) for history in histories])
        return prior + slope * evidence.reshape(-1, len(prior))

    def _evidence(self, history: IntArray, usual: Float64Array) -> Float64Array:
        return (self.factors[history] - usual).sum(axis=0) / (len(history) + 4)

    @cached_property
    def _taste_regression(self) -> tuple[Float64Array, Float64Array, float]:
        prior, usual = self.tastes.mean(axis=0), self.factors[self.log.items].mean(axis=0)
        evidence = np.array([self._evidence(items, usual) for items in self.log.sequences()])
        slope = float((evidence * (self.tastes - prior)).sum() / (evidence**2).sum())
        return prior, usual, slope


def generate_world(
    seed: int = 0,
    n_items: int = 800,
    n_users: int = 2000,
    parameters: WorldParameters | None = None,
) -> World:
    """Generate a world.

    Raises:
        DataError: there are too few items for the shortest history, or no users.
    """
    p = parameters or WorldParameters()
    if n_items < 2 * p.min_length or n_users < 1:
        raise DataError(
            f"a world needs at least {2 * p.min_length} items and 1 user, "
            f"got n_items={n_items}, n_users={n_users}"
        )
    streams = np.random.SeedSequence(seed).spawn(4)
    item_rng, text_rng, user_rng, log_rng = (np.random.default_rng(s) for s in streams)
    attributes = _draw_attributes(n_items, item_rng)
    quality = item_rng.standard_normal(n_items)
    model = TasteModel(_mix_factors(attributes, p, item_rng), quality, p.taste)
    exposure = np.exp(
        p.exposure_quality * quality + p.exposure_spread * item_rng.standard_normal(n_items)
    )
    tastes = _draw_tastes(n_users, p, user_rng)
    catalog = write_catalog(attributes, text_rng)
    lengths = _draw_lengths(n_users, n_items, p, user_rng)
    taken = _simulate(model, tastes, exposure, lengths, p, log_rng)
    log = _write_log(catalog, taken, lengths, log_rng)
    return World(seed, catalog, log, attributes, exposure, model, tastes, p)


def _draw_attributes(n_items: int, rng: np.random.Generator) -> dict[str, IntArray]:
    """Makers keep to a kind, a genre and a mood of their own about half of the time."""
    n_makers = len(MAKERS)
    maker = rng.choice(n_makers, size=n_items, p=_skewed(n_makers, rng))
    attributes = {"maker": maker.astype(np.int64)}
    for name, values in ATTRIBUTES.items():
        drawn = rng.choice(len(values), size=n_items, p=_skewed(len(values), rng))
        if name in ("kind", "genre", "mood"):
            own = rng.integers(len(values), size=n_makers)[maker]
            drawn = np.where(rng.random(n_items) < 0.5, own, drawn)
        attributes[name] = drawn.astype(np.int64)
    return attributes


def _skewed(n: int, rng: np.random.Generator) -> Float64Array:
    """Unequal shares of n values: the commonest is some five times the rarest."""
    weights = np.exp(0.5 * rng.standard_normal(n))
    return weights / weights.sum()


def _mix_factors(
    attributes: dict[str, IntArray], p: WorldParameters, rng: np.random.Generator
) -> Float64Array:
    """Unit factors, float64 (n_items, n_factors): attributes, genre-mood pairs, the unwritten."""
    n_items = len(attributes["maker"])
    written = np.zeros((n_items, p.n_factors))
    for values in attributes.values():
        loadings = rng.standard_normal((int(values.max()) + 1, p.n_factors))
        written += loadings[values]
    written /= np.sqrt(len(attributes))
    n_genres, n_moods = len(ATTRIBUTES["genre"]), len(ATTRIBUTES["mood"])
    pairs = rng.standard_normal((n_genres, n_moods, p.n_factors))
    mixed = (
        np.sqrt(p.attribute_share) * written
        + np.sqrt(p.pair_share) * pairs[attributes["genre"], attributes["mood"]]
        + np.sqrt(p.unwritten_share) * rng.standard_normal((n_items, p.n_factors))
    )
    return mixed / np.sqrt((mixed**2).sum(axis=1, keepdims=True))


def _draw_tastes(n_users: int, p: WorldParameters, rng: np.random.Generator) -> Float64Array:
    shared = rng.standard_normal(p.n_factors)
    return p.shared_taste * shared + rng.standard_normal((n_users, p.n_factors))


def _draw_lengths(
    n_users: int, n_items: int, p: WorldParameters, rng: np.random.Generator
) -> IntArray:
    """Skewed lengths (gamma) between the shortest and the longest allowed."""
    extra = rng.gamma(1.5, (p.mean_length - p.min_length) / 1.5, size=n_users)
    longest = min(p.max_length, n_items // 2)
    return np.clip(p.min_length + extra, p.min_length, longest).astype(np.int64)


def _simulate(
    model: TasteModel,
    tastes: Float64Array,
    exposure: Float64Array,
    lengths: IntArray,
    p: WorldParameters,
    rng: np.random.Generator,
) -> IntArray:
    """What the users take, int64 (n_users, longest); places past a user's length hold 0."""
    mind = model.begin(tastes)
    taken = np.zeros((len(tastes), int(lengths.max())), dtype=np.int64)
    met = np.zeros((len(tastes), len(exposure)), dtype=bool)
    rarity = (1.0 / exposure).astype(np.float32)
    for position in range(taken.shape[1]):
        rows = np.flatnonzero(lengths > position)
        now = Mind(mind.taste[rows], mind.satiation[rows])
        slates = _draw_slates(rarity, met[rows], p.slate_size, rng)
        utility = p.choice_sharpness * model.utility(now, slates)
        choice = np.argmax(utility + rng.gumbel(size=utility.shape), axis=1)
        items = slates[np.arange(len(rows)), choice]
        taken[rows, position], met[rows, items] = items, True
        mind.taste[rows], mind.satiation[rows] = model.take(now, items)
    return taken


def _draw_slates(
    rarity: NDArray[np.float32], met: NDArray[np.bool_], size: int, rng: np.random.Generator
) -> IntArray:
    """Unmet items without repeats in proportion to exposure, int64 (N, size).

    Each item arrives after an exponential time of mean ``rarity``; the first to arrive are shown.
    They are put in index order, for partial sorting leaves an order that differs by machine.
    """
    size = min(size, met.shape[1] // 2)
    arrival = rarity * rng.standard_exponential(met.shape, dtype=np.float32)
    arrival[met] = np.inf
    return np.sort(np.argpartition(arrival, size, axis=1)[:, :size], axis=1)


def _write_log(
    catalog: Catalog, taken: IntArray, lengths: IntArray, rng: np.random.Generator
) -> InteractionLog:
    """The log, with times in seconds: users arrive over two years and return every few days."""
    n_users = len(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    going = np.arange(taken.shape[1]) < lengths[:, None]
    gaps = 60 + rng.exponential(3 * SECONDS_A_DAY, size=taken.shape).astype(np.int64)
    arrival = START_OF_TIME + rng.integers(730 * SECONDS_A_DAY, size=(n_users, 1))
    return InteractionLog(
        catalog=catalog,
        user_ids=pl.Series("user_id", [f"u{user:05d}" for user in range(n_users)]),
        offsets=offsets,
        items=taken[going],
        feedback=pl.DataFrame({"time": (arrival + np.cumsum(gaps, axis=1))[going]}),
    )
