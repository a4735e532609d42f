"""Generates the synthetic world: items, users with known true preferences, and their log.

An item's factors mix its attributes, a pairwise effect of genre and mood, an effect of its
maker, and a part that its text does not reveal; :mod:`llmrec_env.data.world.grammar` writes the
text from the attributes alone. The log comes from a popularity-biased policy: each step, a slate is
drawn in proportion to the items' exposure and the user picks from it by a sharp softmax of true
utility (:mod:`llmrec_env.data.world.taste`). Nobody takes an item twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from llmrec_env.common.arrays import Float64Array, IntArray, read_only
from llmrec_env.common.errors import DataError
from llmrec_env.common.forking import fork_safe
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.reading import Reading
from llmrec_env.data.world.grammar import ATTRIBUTES, MAKERS, write_catalogue
from llmrec_env.data.world.taste import TasteModel, TasteParameters

# How much each attribute moves the factors.
ATTRIBUTE_WEIGHTS = {
    "genre": 1.0,
    "mood": 0.8,
    "theme": 0.8,
    "kind": 0.6,
    "setting": 0.6,
    "maker": 0.5,
    "era": 0.4,
}
START_OF_TIME = 1_600_000_000
SECONDS_A_DAY = 86_400


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
        slate_size: items drawn for a user at each step of the log.
        choice_sharpness: of the softmax of utility by which the user picks one of them.
        accept_sharpness: of the probability that a shown item is taken, online.
        min_length, mean_length, max_length: interactions of a user.
    """

    n_factors: int = 8
    taste: TasteParameters = field(default_factory=TasteParameters)
    shared_taste: float = 0.3
    attribute_share: float = 0.7
    pair_share: float = 0.15
    unwritten_share: float = 0.15
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
        catalogue: the items with their texts.
        log: what the users did, with times; their ids are ``u00000``, ``u00001``, …
        attributes: the hidden attributes of the items by name, each int64 (n_items,).
        exposure: float64 (n_items,), how often the logging policy offers an item, up to a factor.
        model: the true preferences: item factors, qualities, and how taking moves a user.
        tastes: float64 (n_users, n_factors), the users before their first interaction.
        parameters: the constants.
    """

    seed: int
    catalogue: Catalogue
    log: InteractionLog
    attributes: dict[str, IntArray]
    exposure: Float64Array
    model: TasteModel
    tastes: Float64Array
    parameters: WorldParameters = field(default_factory=WorldParameters)

    def __post_init__(self) -> None:
        for name in ("exposure", "tastes"):
            object.__setattr__(self, name, read_only(getattr(self, name)))
        attributes = {name: read_only(values) for name, values in self.attributes.items()}
        object.__setattr__(self, "attributes", attributes)

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


@fork_safe
def generate_world(
    seed: int = 0,
    n_items: int = 800,
    n_users: int = 2000,
    parameters: WorldParameters | None = None,
) -> World:
    """Generate a world.

    Args:
        seed: draws everything; the same seed gives the same texts and the same log.
        n_items: size of the catalogue.
        n_users: number of users in the log.
        parameters: the constants, :class:`WorldParameters` where None.

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
    catalogue = write_catalogue(attributes, text_rng)
    lengths = _draw_lengths(n_users, n_items, p, user_rng)
    taken = _simulate(model, tastes, exposure, lengths, p, log_rng)
    log = _write_log(catalogue, taken, lengths, log_rng)
    return World(seed, catalogue, log, attributes, exposure, model, tastes, p)


def _draw_attributes(n_items: int, rng: np.random.Generator) -> dict[str, IntArray]:
    """Attributes of the items, each int64 (n_items,).

    Makers keep to a kind, a genre and a mood of their own about half of the time.
    """
    maker = _draw_values(len(MAKERS), n_items, rng)
    attributes = {"maker": maker}
    for name, values in ATTRIBUTES.items():
        attributes[name] = _draw_values(len(values), n_items, rng)
        if name in ("kind", "genre", "mood"):
            own = rng.integers(len(values), size=len(MAKERS))[maker]
            attributes[name] = np.where(rng.random(n_items) < 0.5, own, attributes[name])
    return attributes


def _draw_values(n_values: int, size: int, rng: np.random.Generator) -> IntArray:
    """Values with unequal shares: the commonest is some five times the rarest."""
    weights = np.exp(0.5 * rng.standard_normal(n_values))
    return rng.choice(n_values, size=size, p=weights / weights.sum()).astype(np.int64)


def _mix_factors(
    attributes: dict[str, IntArray], p: WorldParameters, rng: np.random.Generator
) -> Float64Array:
    """Unit factors, float64 (n_items, n_factors): attributes, genre-mood pairs, the unwritten."""
    n_items = len(attributes["maker"])
    written = np.zeros((n_items, p.n_factors))
    for name, weight in ATTRIBUTE_WEIGHTS.items():
        n_values = len(MAKERS) if name == "maker" else len(ATTRIBUTES[name])
        loadings = rng.standard_normal((n_values, p.n_factors))
        written += weight * loadings[attributes[name]]
    written /= np.sqrt(sum(weight**2 for weight in ATTRIBUTE_WEIGHTS.values()))
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
    """What the users take, int64 (n_users, longest); places past a user's length hold 0.

    A slate is drawn with repeats, so an item that is drawn twice is twice as likely to be seen. A
    user who has seen a whole slate takes the most exposed item that is left.
    """
    mind = model.begin(tastes)
    taken = np.zeros((len(tastes), int(lengths.max())), dtype=np.int64)
    seen = np.zeros((len(tastes), len(exposure)), dtype=bool)
    shares = np.cumsum(exposure) / exposure.sum()
    for position in range(taken.shape[1]):
        rows = np.flatnonzero(lengths > position)
        now = mind.rows(rows)
        slates = np.searchsorted(shares[:-1], rng.random((len(rows), p.slate_size)))
        utility = p.choice_sharpness * model.utility(now, slates)
        appeal = utility + rng.gumbel(size=utility.shape)
        appeal[np.take_along_axis(seen[rows], slates, axis=1)] = -np.inf
        items = np.take_along_axis(slates, appeal.argmax(axis=1)[:, None], axis=1)[:, 0]
        stuck = np.isneginf(appeal).all(axis=1)
        items[stuck] = np.where(seen[rows[stuck]], -np.inf, exposure).argmax(axis=1)
        taken[rows, position], seen[rows, items] = items, True
        mind.taste[rows], mind.satiation[rows] = model.take(now, items)
    return taken


def _write_log(
    catalogue: Catalogue, taken: IntArray, lengths: IntArray, rng: np.random.Generator
) -> InteractionLog:
    """The log, with times in seconds: users arrive over two years and return every few days."""
    n_users = len(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    going = np.arange(taken.shape[1]) < lengths[:, None]
    gaps = 60 + rng.exponential(3 * SECONDS_A_DAY, size=taken.shape).astype(np.int64)
    arrival = START_OF_TIME + rng.integers(730 * SECONDS_A_DAY, size=(n_users, 1))
    return InteractionLog(
        catalogue=catalogue,
        user_ids=pl.Series("user_id", [f"u{user:05d}" for user in range(n_users)]),
        offsets=offsets,
        items=taken[going],
        feedback=pl.DataFrame({"time": (arrival + np.cumsum(gaps, axis=1))[going]}),
        reading=Reading("generated world", order="time"),
    )
