"""Generates the synthetic world: items, users with known true preferences, and their log.

An item's factors mix its attributes, a pairwise effect of genre and mood, an effect of its
maker, and a part that its text does not reveal; :mod:`llmrec_env.data.world.grammar` writes the
text from the attributes alone. The log comes from a popularity-biased policy: each step, a slate is
drawn in proportion to the items' exposure and the user picks from it by a sharp softmax of true
utility (:mod:`llmrec_env.data.world.taste`). Nobody takes an item twice. Other policies and other
tastes can be asked for (:mod:`llmrec_env.data.world.presets`).
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
from llmrec_env.data.world.grammar import ATTRIBUTES, MAKERS, write_catalogue
from llmrec_env.data.world.logged import simulate, write_log
from llmrec_env.data.world.logging_policy import LoggingParameters, logging_policy
from llmrec_env.data.world.parameters import WorldParameters
from llmrec_env.data.world.presets import with_choices, world_arguments
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


@dataclass(frozen=True, eq=False)
class World:
    """A generated world, the same for the same arguments of :func:`generate_world`.

    Attributes:
        seed: what it was generated from.
        catalogue: the items with their texts.
        log: what the users did, with times and propensities (``propensity``: the probability that
            the item was shown at this step, whoever picked it then); ids ``u00000``, ``u00001``, …
        attributes: the hidden attributes of the items by name, each int64 (n_items,).
        exposure: float64 (n_items,), how often a policy by popularity offers an item, up to a
            factor; as the log's does unless another is asked for.
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
    *,
    taste: str | TasteParameters | None = None,
    logging: str | LoggingParameters | None = None,
    satiation: float | None = None,
    noise: float | None = None,
) -> World:
    """Generate a world.

    Worlds of one seed and size have the same items with the same texts, and users who begin with
    the same tastes, whatever the other arguments are.

    Args:
        seed: draws everything; the same seed gives the same texts and the same log.
        n_items: size of the catalogue.
        n_users: number of users in the log.
        parameters: the constants, :class:`WorldParameters` where None.
        taste: how tastes move, and whether users trust: "drawn", the usual; "stationary";
            "drifting"; "trusting"; or constants of your own.
        logging: who recommended while the log was made: "popularity", the usual; "uniform";
            "recommender", a good one; or constants of your own.
        satiation: how much less, for a while, more of the same pleases; 0.7 is usual, 0 none.
        noise: factor on the randomness of what users pick and take; 1 is usual.

    Raises:
        DataError: there are too few items for the shortest history, or no users.
        SettingError: a name is unknown, or a constant out of range.
    """
    p = with_choices(parameters or WorldParameters(), taste, logging, satiation, noise)
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
    policy = logging_policy(p.logging, model, exposure, n_users)
    taken = simulate(model, tastes, policy, lengths, p, log_rng)
    log = write_log(catalogue, taken, log_rng, leaves=p.taste.has_trust)
    return World(seed, catalogue, log, attributes, exposure, model, tastes, p)


def named_world(name: str, seed: int = 0, n_items: int = 800, n_users: int = 2000) -> World:
    """One of the worlds of :data:`~llmrec_env.data.world.presets.WORLDS`.

    Args:
        name: "popularity" (the usual one), "uniform", "recommender", "stationary", "drifting",
            "trust", "sated" or "noisy".
        seed: as in :func:`generate_world`, as what follows.
        n_items: size of the catalogue.
        n_users: number of users in the log.

    Raises:
        SettingError: there is no such world.
    """
    return generate_world(seed, n_items, n_users, **world_arguments(name))


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
