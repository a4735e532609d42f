"""``RewardModel``: a causal LM that reads instruction and purchase; predicts reward and success.

It is a cross-encoder. A small language model learns from few examples what an instruction wants and
what was bought, but hardly that a word here is the same as a word there. So each word carries marks
that say it (exact-match features, as readers of questions and documents have them), and each stated
limit whether it is kept. Both are read from the two texts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.reward import Purchase
from llmrec_env.envs.shop.views.instruction_parser import parse_instruction
from llmrec_env.envs.text.analyzer import TOKEN, Analyzer
from llmrec_env.language.lm.transformers_backend import TransformersBackend

MARKS = (
    "a word of the purchase stands in the instruction",
    "a word of the instruction stands in the title",
    "it stands in a chosen value",
    "it stands in a value that was not chosen, of any option",
    "it stands in any text of the product",
    "the price or rating keeps the limit",
    "the price or rating does not",
)
LONGEST_FIELD = 200
"""Characters of a title, of the values and of the features that are written out. Marks see all."""


@dataclass(frozen=True)
class RewardModelConfig:
    """What the model reads, and what of a pretrained LM learns."""

    max_tokens: int = 160
    """Tokens read; of a longer text the features are cut off first."""
    marks: bool = True
    """Whether words carry marks that say where they stand in the other text."""
    lora_rank: int = 8
    """Of the LoRA adapters beside every linear map of a pretrained LM; 0 learns all its weights."""
    lora_alpha: int = 16
    lora_dropout: float = 0.05
    dropout: float = 0.1
    """Share of the heads' inputs dropped in training."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Tokens of a pair: ids int64 (T,), marks float32 (T, 7), and where the instruction begins."""

    ids: IntArray
    marks: FloatArray
    instruction: int


class RewardModel(nn.Module):
    """Reads the purchase, then the instruction; the heads read the last token and the mean.

    One says the reward, the other the probability that it is exactly 1: between 0.9 and 1 lies
    little reward, and all of success.

    Args:
        base_model: any causal LM with attention.
        tokenizer: its own; it must give offsets, as all "fast" ones do.
        config: see above.
        name: hub name or folder of the base model, if it came from one.

    Raises:
        SettingError: the tokenizer gives no offsets, or ``max_tokens`` does not fit.
        LLMRecError: the LM cannot read embeddings or masks.
    """

    def __init__(
        self,
        base_model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        config: RewardModelConfig,
        name: str | None = None,
    ) -> None:
        super().__init__()
        if not getattr(tokenizer, "is_fast", False):
            raise SettingError(
                f"the tokenizer of {name or 'this model'!r} is not a fast one: save it as "
                "tokenizer.json (transformers' PreTrainedTokenizerFast)"
            )
        self.config, self.name, self.tokenizer = config, name, tokenizer
        self.backend = TransformersBackend(base_model, tokenizer, name)
        longest = self.backend.max_positions or config.max_tokens
        if not 16 <= config.max_tokens <= longest:
            raise SettingError(f"max_tokens must lie in [16, {longest}], got {config.max_tokens}")
        if config.lora_rank:
            self.backend.adapt(config.lora_rank, config.lora_alpha, config.lora_dropout)
        else:
            base_model.requires_grad_(True)
        width = self.backend.hidden_size
        self.mark = nn.Linear(len(MARKS), width, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(2 * width, 2)
        for weight in (self.mark.weight, self.head.weight, self.head.bias):
            nn.init.zeros_(weight)

    def read(self, instruction: str, purchase: Purchase) -> Reading:
        """The tokens of a pair."""
        bought, wanted = marked_texts(instruction, purchase)
        longest = self.config.max_tokens
        ending, ending_marks = self._tokens(wanted, longest // 2)
        ids, marks = self._tokens(bought, longest - len(ending))
        return Reading(
            np.array([*ids, *ending], dtype=np.int64),
            np.concatenate([marks, ending_marks]),
            len(ids),
        )

    def forward(self, readings: Sequence[Reading]) -> Tensor:
        """Logits of the reward and of success, float32 (N, 2)."""
        lengths = [len(one.ids) for one in readings]
        width = max(lengths)
        ids = np.zeros((len(readings), width), dtype=np.int64)
        marks = np.zeros((len(readings), width, len(MARKS)), dtype=np.float32)
        weights = np.zeros((len(readings), width), dtype=np.float32)
        for row, (one, n) in enumerate(zip(readings, lengths, strict=True)):
            ids[row, :n], marks[row, :n] = one.ids, one.marks
            weights[row, one.instruction : n] = 1.0
        device = self.head.weight.device
        embedded = self.backend.base_model.get_input_embeddings()(torch.from_numpy(ids).to(device))
        if self.config.marks:
            embedded = embedded + self.mark(torch.from_numpy(marks).to(device)).to(embedded.dtype)
        causal = torch.ones(width, width, dtype=torch.bool, device=device).tril()
        positions = torch.arange(width, device=device).expand(len(readings), -1)
        hidden = self.backend(embedded, causal.expand(len(readings), -1, -1), positions)
        last = torch.tensor(lengths, device=device) - 1
        share = torch.from_numpy(weights / weights.sum(1, keepdims=True)).to(device)
        mean = (hidden * share.unsqueeze(-1)).sum(1)
        seen = torch.cat([hidden[torch.arange(len(readings), device=device), last], mean], dim=-1)
        return self.head(self.dropout(seen))

    def _tokens(self, marked: MarkedText, longest: int) -> tuple[list[int], FloatArray]:
        encoded = self.tokenizer(
            marked.text,
            add_special_tokens=False,
            split_special_tokens=True,
            truncation=True,
            max_length=longest,
            return_offsets_mapping=True,
        )
        ends = np.array([end for _, end in encoded["offset_mapping"]], dtype=np.int64)
        return encoded["input_ids"], marked.marks[np.maximum(ends, 1) - 1]


@dataclass
class MarkedText:
    """A text in lower case, and marks for each of its characters.

    Attributes:
        text: the characters.
        marks: float32 (characters, 7), 0 or 1.
        options: the marks of the chosen values alone.
    """

    text: str = ""
    marks: FloatArray = field(default_factory=lambda: np.zeros((0, len(MARKS)), dtype=np.float32))
    options: FloatArray = field(default_factory=lambda: np.zeros((0, len(MARKS)), dtype=np.float32))

    def add(
        self, text: str, words: Mapping[int, frozenset[str]], always: int | None = None
    ) -> None:
        """Append a text; a word has mark ``m`` where ``words[m]`` holds its stem."""
        marks = np.zeros((len(text), len(MARKS)), dtype=np.float32)
        for match in TOKEN.finditer(text):
            stem = _stem(match[0])
            for mark, stems in words.items():
                if stem in stems:
                    marks[slice(*match.span()), mark] = 1.0
        if always is not None:
            marks[:, always] = 1.0
        self.text += text
        self.marks = np.concatenate([self.marks, marks])


def purchase_text(purchase: Purchase) -> str:
    """What was bought as one line: title, chosen values, price, rating, features."""
    return "".join(text for _, text in _fields(purchase))


def marked_texts(instruction: str, purchase: Purchase) -> tuple[MarkedText, MarkedText]:
    """The purchase and the instruction, each with its marks."""
    product, parsed = purchase.product, parse_instruction(instruction)
    stems = _stems([instruction])
    bought = MarkedText()
    kept = {
        "price": parsed.price_lower <= purchase.price <= parsed.price_upper,
        "rating": product.rating >= parsed.rating_lower,
    }
    for name, text in _fields(purchase):
        limit = None if name not in kept else (5 if kept[name] else 6)
        bought.add(text, {} if limit else {0: stems}, limit)
        if name == "options" and purchase.options:
            bought.options = bought.marks[-len(text) :]
    wanted = MarkedText()
    chosen = _stems(purchase.options.values())
    everywhere = _product_stems(product.text) | chosen
    words = {1: _product_stems(product.name), 2: chosen, 3: _left(purchase), 4: everywhere}
    wanted.add(f" wanted: {_lower(instruction)}", words)
    return bought, wanted


def shared_words(instruction: str, purchase: Purchase) -> float:
    """The share of the instruction's words that stand in the purchase: no model at all."""
    wanted = _stems([instruction])
    bought = _product_stems(purchase.product.text) | _stems(purchase.options.values())
    return len(wanted & bought) / max(1, len(wanted))


def _fields(purchase: Purchase) -> list[tuple[str, str]]:
    product = purchase.product
    values = ", ".join(f"{name}: {value}" for name, value in sorted(purchase.options.items()))
    stars = f", rating: {product.rating:.1f} stars" if product.rating else ""
    return [
        ("title", f" title: {_lower(product.name)[:LONGEST_FIELD]}"),
        ("options", f", {_lower(values)[:LONGEST_FIELD]}" if values else ", no options"),
        ("price", f", price: {purchase.price:.2f} dollars"),
        ("rating", stars),
        ("features", f", features: {_lower(' '.join(product.bullets))[:LONGEST_FIELD]}"),
    ]


def _left(purchase: Purchase) -> frozenset[str]:
    """Words of the values that were offered and not chosen."""
    return _stems(
        value
        for name, values in purchase.product.options.items()
        for value in values
        if value != purchase.options.get(name)
    )


def _lower(text: str) -> str:
    return " ".join(text.lower().split())


def _stems(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(stem for text in texts for stem in _analyzer()(text))


@lru_cache(maxsize=16_384)
def _product_stems(text: str) -> frozenset[str]:
    return _stems([text])


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    return next(iter(_analyzer()(word)), "")


@lru_cache(maxsize=1)
def _analyzer() -> Analyzer:
    return Analyzer()
