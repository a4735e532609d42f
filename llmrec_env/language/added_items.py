"""Puts items that an LE never met where its own items are, by their texts alone.

Features, words and tokens are made as those of the first items were; whatever the LE learned of an
item's own is zero for a new one.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.common.files import is_missing_folder
from llmrec_env.common.wording import listed, shown
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.language.item_texts import KeptTexts, mean_outputs
from llmrec_env.language.item_tokens import (
    ItemTokenConfig,
    learn_item_tokens,
    pooled_rows,
    pooled_tokens,
)
from llmrec_env.language.item_words import ItemWords, Vocabulary
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.tokenization import token_rows
from llmrec_env.language.lm.transformers_backend import TransformersBackend
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.sentence_encoder import load_encoder, sentence_outputs
from llmrec_env.language.text_space import TextSpace

CHECKED, ALIKE = 8, 0.9
"""Known items that are read again, and the least mean cosine at which it is the same reader."""


def with_items(
    model: LanguageEnvironment, items: Catalogue, encoder: str | os.PathLike[str] | None = None
) -> LanguageEnvironment:
    """An LE that also knows new items, by their texts; the one that is given stays as it is.

    Args:
        model: a learned LE.
        items: the new items, which follow those that it knows.
        encoder: where the sentence encoder that read its items is now, if it moved.

    Raises:
        DataError: an item is known already, or has no text.
        SimulatorError: nobody knows how the LE's items were read, or what read them is not here.
        LLMRecError: the encoder or the base model cannot be loaded.
    """
    together = model.catalogue.followed_by(items)
    first = len(model.catalogue)
    part = together.read_as_here(np.arange(first, len(together)))
    made, reading_le = _read(model, part, encoder)
    twin = _with_rows(reading_le, together, made, first)
    if model.users is not None:
        twin.users = replace(model.users, catalogue=together)
    twin.record["added_items"] = twin.record.get("added_items", 0) + len(items)
    return twin


def for_catalogue(
    model: LanguageEnvironment,
    items: Catalogue,
    encoder: str | os.PathLike[str] | None = None,
    feedback: FeedbackScale | None = None,
) -> LanguageEnvironment:
    """The LE for another catalogue alone, whose items it never met; it has no users.

    Args:
        model: a learned LE, which stays as it is.
        items: the whole other catalogue.
        encoder: as for :func:`with_items`.
        feedback: how feedback about these items is put into numbers, where the LE reads any; None:
            in the unit of the log that it learned from.

    Raises:
        DataError: an item has no text.
        SimulatorError: as for :func:`with_items`.
        LLMRecError: as for :func:`with_items`.
    """
    made, reading_le = _read(model, items, encoder)
    twin = _with_rows(reading_le, items, made, 0)
    twin.users = None
    if feedback is not None and (own := twin.config.feedback) is not None:
        scale = replace(feedback, per_user=own.per_user, rule=own.rule)
        twin.config = replace(twin.config, feedback=scale)
    twin.record["added_items"] = len(items)
    return twin


class _Rows(NamedTuple):
    """What an LE keeps of items, one row each."""

    tokens: Tensor
    features: Tensor
    words: ItemWords


def _read(
    model: LanguageEnvironment, items: Catalogue, encoder: str | os.PathLike[str] | None
) -> tuple[_Rows, LanguageEnvironment]:
    """The rows of new items, and the LE in the form that can be saved."""
    if model.text_space is None:
        raise SimulatorError(
            "this LE does not say how its items' texts were read, so that no other item can be put "
            "beside them (it learned from items without text, or an earlier version saved it); "
            "fit it again with `llmrec fit`"
        )
    _check_texts(items)
    if not model.backend.can_learn:  # its base weights are no more what read the items
        if model.saved_at is None:
            raise SimulatorError(
                "this LE was loaded to answer only and does not know from where; load it with "
                "LanguageEnvironment.from_pretrained to add items"
            )
        model = LanguageEnvironment.from_pretrained(model.saved_at, model.device, model.dtype)
    with _reader(model, encoder) as reader:
        reader.check(model)
        return reader.rows(items, model), model


def _check_texts(items: Catalogue) -> None:
    without = [items.ids[place] for place, text in enumerate(items.sentences) if not text]
    if without:
        raise DataError(
            f"{len(without)} of {len(items)} new items have no text, by which alone they could be "
            f"known: {listed(map(shown, without), 3)}; give them a title or a description, or "
            "leave them out"
        )


@dataclass(frozen=True, eq=False)
class _Reader:
    """Reads texts as those of an LE's items were read.

    Attributes:
        space: how that was.
        base: the base model without an adapter; None where a bag of words or an encoder reads.
        tokenizer: of the words.
        encoder: the sentence encoder, if one reads.
    """

    space: TextSpace
    base: PreTrainedModel | None
    tokenizer: PreTrainedTokenizerBase
    encoder: Any

    def check(self, model: LanguageEnvironment) -> None:
        """Refuse a reader that makes something else of items that the LE knows."""
        some = np.arange(min(CHECKED, len(model.catalogue)))
        features = self.features(model.catalogue.read_as_here(some))
        known = model.item_features[: len(some)].cpu()
        if float((features * known).sum(1).mean()) < ALIKE:
            name = self.space.reading.encoder or self.space.reading.base
            raise SimulatorError(
                f"what reads the texts now ({name}) makes other features of this LE's own items "
                "than they have: it is another model than the one that read them, or another "
                "version of it"
            )

    def rows(self, items: Catalogue, model: LanguageEnvironment) -> _Rows:
        """What the LE keeps of new items."""
        limit, known = self.space.reading.max_tokens, self.space.vocabulary
        words = ItemWords.of(items, self.tokenizer, limit, known)
        return _Rows(self._tokens(items, model), self.features(items), words)

    def features(self, items: Catalogue) -> Tensor:
        """Unit rows float32 (n, D)."""
        return self.space.projection(self._outputs(items))

    def _outputs(self, items: Catalogue) -> Tensor:
        reading = self.space.reading
        if self.encoder is not None:
            return sentence_outputs(items, self.encoder)
        if self.space.word_vectors is not None:
            return self._means_of_words(items, self.space.word_vectors)
        assert self.base is not None
        lasting = reading.base is not None
        kept = KeptTexts.of(items, self.base, reading, None, lasting).outputs
        limit, layer = reading.max_tokens, reading.layer
        return mean_outputs(items, self.base, self.tokenizer, limit, layer, kept)

    def _means_of_words(self, items: Catalogue, vectors: Tensor) -> Tensor:
        known = self.space.vocabulary
        texts = token_rows(items.sentences, self.tokenizer, self.space.reading.max_tokens)
        numbers = [known.numbers(np.array(row, dtype=np.int64)) for row in texts]
        rows = [[int(number) for number in row if number >= 0] for row in numbers]
        own = Vocabulary(torch.arange(len(vectors)), known.counts, known.n_texts)
        return pooled_rows(rows, vectors, own)

    def _tokens(self, items: Catalogue, model: LanguageEnvironment) -> Tensor:
        """What the LM reads of each item; some vector where there is none that reads."""
        if not isinstance(model.backend, TransformersBackend):
            return model.item_tokens.mean(0).cpu().expand(len(items), -1)
        assert self.base is not None
        reading, known = self.space.reading, self.space.vocabulary
        if reading.tokens == "pooled":
            limit = reading.max_tokens
            return pooled_tokens(items, self.base, self.tokenizer, limit, known).cpu()
        learning = ItemTokenConfig(
            steps=reading.steps, learning_rate=reading.learning_rate, max_tokens=reading.max_tokens
        )
        return learn_item_tokens(items, self.base, self.tokenizer, learning, vocabulary=known)[0]


@contextmanager
def _reader(
    model: LanguageEnvironment, encoder: str | os.PathLike[str] | None
) -> Iterator[_Reader]:
    """Who reads, loaded; the adapter of the LE's own language model is off for the time being."""
    space = model.text_space
    assert space is not None
    reads = None
    if (name := encoder or space.reading.encoder) is not None:
        if is_missing_folder(os.fspath(name)):
            raise SimulatorError(
                f"the sentence encoder that read this LE's items is not at {os.fspath(name)!r} any "
                "more; bring it back, or say where it is now with encoder= (--item-encoder)"
            )
        reads = load_encoder(name, model.device)
    if isinstance(model.backend, TransformersBackend):
        with model.backend.without_adapter() as base:
            yield _Reader(space, base, model.backend.tokenizer, reads)
        return
    alone = None
    if reads is None and space.word_vectors is None and space.reading.base is not None:
        alone, _ = load_base_model(space.reading.base, layers=model.config.layers)
        alone.to(model.device.type)  # type: ignore[arg-type]  # transformers wraps it untyped
    yield _Reader(space, alone, space.tokenizer, reads)


def _with_rows(
    model: LanguageEnvironment, catalogue: Catalogue, rows: _Rows, kept: int
) -> LanguageEnvironment:
    """A copy of an LE with another catalogue: its first ``kept`` items, then those of ``rows``."""
    twin = _copy(model)
    twin.changed()
    twin.catalogue = catalogue
    device = model.device
    with torch.no_grad():
        for name, more in (("item_tokens", rows.tokens), ("item_features", rows.features)):
            own = getattr(model, name)
            setattr(twin, name, torch.cat([own[:kept], more.to(own)]))
        words = ItemWords(model.word_ids, model.word_weights, model.word_offsets)
        words = words.take(torch.arange(kept, device=device)).followed_by(
            ItemWords(*(part.to(device) for part in vars(rows.words).values()))
        )
        twin.word_ids, twin.word_weights, twin.word_offsets = vars(words).values()
        twin.heads.keep_items(kept, len(catalogue) - kept)
        if twin.members is not None:
            twin.members.keep_items(kept, len(catalogue) - kept)
    return twin.eval()


def _copy(model: LanguageEnvironment) -> LanguageEnvironment:
    """A copy of an LE that shares the numbers of its language model that never learn."""
    frozen = [own for own in model.backend.parameters() if not own.requires_grad]
    memo: dict[int, Any] = {id(own): nn.Parameter(own.data, False) for own in frozen}
    return copy.deepcopy(model, memo)
