"""The rows of a table of fidelity, by name: settings among which validation chooses.

Another row is one entry more in :data:`ROWS`; a simulated user of another kind subclasses
:class:`~llmrec_env.experiments.fidelity.rows.simulators.SimulatedUsers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from llmrec_env.experiments.fidelity.lesson import Lesson
from llmrec_env.experiments.fidelity.rows.base import Row
from llmrec_env.experiments.fidelity.rows.counting import MeanRating, Popularity
from llmrec_env.experiments.fidelity.rows.ease import Ease
from llmrec_env.experiments.fidelity.rows.entry import Entry, Grid, Means
from llmrec_env.experiments.fidelity.rows.explicit_factors import ExplicitFactors
from llmrec_env.experiments.fidelity.rows.implicit_factors import ImplicitFactors
from llmrec_env.experiments.fidelity.rows.matrices import Reads
from llmrec_env.experiments.fidelity.rows.neighbours import AlikeItems, NearItems
from llmrec_env.experiments.fidelity.rows.set_encoder import SetEncoder

ENCODER, BASE, SERVER = ("item_encoder",), ("base_model",), ("base_url", "prompt_model")
"""What rows need: settings of :class:`Means`."""


def _reads(lesson: Lesson, *others: Reads) -> tuple[Reads, ...]:
    """What of a log can be read; of one without ratings, what was taken."""
    return ("taken", *others) if lesson.rated else ("taken",)


def _popularity(lesson: Lesson, means: Means) -> Sequence[Row]:
    return [Popularity(reads) for reads in _reads(lesson, "liked")]


def _mean(lesson: Lesson, means: Means) -> Sequence[Row]:
    return [MeanRating(*own) for own in product((1.0, 5.0, 20.0), (False, True))]


def _item_knn(lesson: Lesson, means: Means) -> Sequence[Row]:
    alike = [
        AlikeItems(reads, k, shrink)
        for reads in _reads(lesson, "liked", "centred")
        for k in (20, 100)
        for shrink in (1.0, 10.0)
    ]
    if not lesson.ordered:
        return alike
    near = product((3, 10), (10, 50), (0.5, 1.0), (0.3, 1.0), (0.2, 0.5))
    return [*alike, *(NearItems(*own) for own in near)]


def _explicit(lesson: Lesson, means: Means) -> Sequence[Row]:
    return [ExplicitFactors(*own) for own in product((5, 10, 20, 40), (3.0, 10.0, 30.0, 60.0))]


def _implicit(lesson: Lesson, means: Means) -> Sequence[Row]:
    return [
        ImplicitFactors(*own)
        for own in product(_reads(lesson, "liked"), (4, 16, 64), (0.1, 10.0, 100.0), (1.0, 10.0))
    ]


def _ease(lesson: Lesson, means: Means) -> Sequence[Row]:
    reads = _reads(lesson, "liked", "centred")
    return [Ease(*own) for own in product(reads, (100.0, 1000.0, 10000.0))]


def _set_encoder(lesson: Lesson, means: Means) -> Sequence[Row]:
    steps = means.steps(1500)
    taking = SetEncoder("taking", steps=steps)
    if not lesson.rated:
        return [taking]
    return [*(SetEncoder("liking", hidden, steps=steps) for hidden in (0.0, 0.5)), taking]


def _sasrec(lesson: Lesson, means: Means) -> Sequence[Row]:
    from llmrec_env.experiments.fidelity.rows.recommender import NextItemRecommender

    return [
        NextItemRecommender("sasrec", dim, tied=tied, epochs=means.steps(20))
        for dim, tied in ((64, False), (128, False), (64, True))
    ]


def _le(**options: object) -> Grid:
    """An LE: what differs from the usual one, by name."""

    def grid(lesson: Lesson, means: Means) -> Sequence[Row]:
        from llmrec_env.experiments.fidelity.rows.language import learned_le

        return [learned_le(means, **options)]  # type: ignore[arg-type]  # the names are literals

    return grid


def _prompted(shots: int) -> Grid:
    """A prompted model that is shown so many answers of training users."""

    def grid(lesson: Lesson, means: Means) -> Sequence[Row]:
        from llmrec_env.experiments.fidelity.rows.prompted import Prompted

        assert means.prompt_model is not None  # the settings have checked it
        assert means.base_url is not None
        return [Prompted(means.prompt_model, means.base_url, shots)]

    return grid


ROWS: dict[str, Entry] = {
    "popularity": Entry("popularity", _popularity),
    "mean": Entry("mean rating, not personal", _mean, rated=True),
    "item-knn": Entry("item-kNN", _item_knn),
    "explicit-mf": Entry("explicit matrix factorisation", _explicit, rated=True),
    "implicit-mf": Entry("implicit matrix factorisation", _implicit),
    "ease": Entry("EASE", _ease),
    "set-encoder": Entry("set encoder of (item, rating) pairs", _set_encoder),
    "sasrec": Entry("SASRec", _sasrec),
    "text": Entry("LE, text alone", _le(ids=False), reads=True),
    "ids": Entry("LE, ids alone", _le(texts=False)),
    "text-ids": Entry("LE, text and ids", _le(), reads=True),
    "unrated": Entry(
        "LE, text and ids, without ratings", _le(feedback=False), rated=True, reads=True
    ),
    "encoder": Entry(
        "LE, sentence encoder alone", _le(ids=False, encoder=True), needs=ENCODER, reads=True
    ),
    "encoder-ids": Entry(
        "LE, sentence encoder and ids", _le(encoder=True), needs=ENCODER, reads=True
    ),
    "base": Entry(
        "LE, texts read by the given LM", _le(ids=False, base=True), needs=BASE, reads=True
    ),
    "base-ids": Entry(
        "LE, texts read by the given LM, and ids", _le(base=True), needs=BASE, reads=True
    ),
    "le": Entry("LE, small LM", _le(ids=False, language_model=True), reads=True),
    "le-ids": Entry("LE, small LM, ids", _le(language_model=True), reads=True),
    "le-encoder": Entry(
        "LE, small LM, sentence encoder, ids",
        _le(language_model=True, encoder=True),
        needs=ENCODER,
        reads=True,
    ),
    "le-base": Entry(
        "LE, given LM, ids", _le(language_model=True, base=True), needs=BASE, reads=True
    ),
    "prompted": Entry("given LM, prompted, zero-shot", _prompted(0), needs=SERVER, reads=True),
    "prompted-few": Entry("given LM, prompted, few-shot", _prompted(4), needs=SERVER, reads=True),
}
"""All rows."""
BASELINES = tuple(list(ROWS)[:8])
"""Those that read no text."""
