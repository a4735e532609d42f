"""``TextSpace``: how an LE's items were read, so that other items can be read as they were.

It stands in the folder of a saved LE as ``text_space.safetensors`` (half a megabyte at most behind
encoders of 384 numbers), with its settings in config.json and, where there is no language model
beside it that parts texts into tokens, a ``tokenizer/``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors.torch import save_file
from torch import Tensor

from llmrec_env.common.settings_types import check_types
from llmrec_env.common.tensor_files import read_finite
from llmrec_env.language.item_words import Vocabulary
from llmrec_env.language.projection import Projection

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FILE, TOKENIZER = "text_space.safetensors", "tokenizer"


@dataclass(frozen=True)
class Reading:
    """Who reads an item's text, and how."""

    encoder: str | None = None
    """Sentence encoder that makes the features, by hub name or full path."""
    base: str | None = None
    """Base model, likewise, where it has a place of its own."""
    layer: int | None = None
    """Layer of the base model whose outputs are the features; None is the last one."""
    max_tokens: int = 64
    tokens: Literal["text", "pooled"] = "pooled"
    """Whether the LM reads an item as a token learned from its text, or as its words' mean."""
    steps: int = 0
    """Steps in which such a token is learned."""
    learning_rate: float = 0.2

    def __post_init__(self) -> None:
        check_types(self)


@dataclass(frozen=True, eq=False)
class TextSpace:
    """What puts texts where an LE's items are.

    Attributes:
        reading: who reads them.
        projection: from what is read to item features.
        vocabulary: the words that the LE knows.
        word_vectors: float32 (n_words, H), the words' embeddings, where features are their means
            (a bag of words); None where a language model or an encoder reads.
        tokenizer_files: the files of a tokenizer by name; none where the LE's language model has
            its own.
    """

    reading: Reading
    projection: Projection
    vocabulary: Vocabulary
    word_vectors: Tensor | None = None
    tokenizer_files: Mapping[str, bytes] = field(default_factory=dict)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of :attr:`tokenizer_files`."""
        from transformers import AutoTokenizer

        with tempfile.TemporaryDirectory() as folder:
            for name, content in self.tokenizer_files.items():
                (Path(folder) / name).write_bytes(content)
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)

    @property
    def description(self) -> dict[str, Any]:
        """What config.json says of it."""
        return {"reading": asdict(self.reading), "n_texts": self.vocabulary.n_texts}

    def save(self, folder: Path) -> None:
        """Write everything but :attr:`description` to the folder of an LE."""
        tensors = {
            "centre": self.projection.centre.float(),
            "directions": self.projection.directions.float(),
            "scales": self.projection.scales.float(),
            "word_tokens": self.vocabulary.tokens.int(),
            "word_counts": self.vocabulary.counts.int(),
        }
        if self.word_vectors is not None:
            tensors["word_vectors"] = self.word_vectors.half()
        tensors = {name: value.cpu().contiguous() for name, value in tensors.items()}
        save_file(tensors, folder / FILE)
        if self.tokenizer_files:
            (folder / TOKENIZER).mkdir()
        for name, content in self.tokenizer_files.items():
            (folder / TOKENIZER / name).write_bytes(content)

    @classmethod
    def open(cls, folder: Path, description: Mapping[str, Any]) -> TextSpace:
        """Read what :meth:`save` wrote.

        Args:
            folder: of the LE.
            description: as :attr:`description` gives it.

        Raises:
            DataError: a file is missing or damaged.
        """
        tensors = read_finite(folder / FILE)
        own = folder / TOKENIZER
        return cls(
            Reading(**description["reading"]),
            Projection(tensors["centre"], tensors["directions"], tensors["scales"]),
            Vocabulary(
                tensors["word_tokens"].long(),
                tensors["word_counts"].long(),
                int(description["n_texts"]),
            ),
            tensors["word_vectors"].float() if "word_vectors" in tensors else None,
            _contents(own) if own.is_dir() else {},
        )


def tokenizer_files(tokenizer: PreTrainedTokenizerBase) -> dict[str, bytes]:
    """The files of a tokenizer, by name."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return _contents(Path(folder))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
