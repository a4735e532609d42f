"""A causal LM with two scalar heads that reads an instruction and a purchase: a cross-encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from agents.shop.reward_texts import MARKS, MarkedText, marked_texts
from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.reward import Purchase
from llmrec_env.language.lm.transformers_backend import TransformersBackend


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
        LLMRecError: the LM cannot read what is asked.
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
        bought, said = marked_texts(instruction, purchase)
        longest = self.config.max_tokens
        ending, ending_marks = self._tokens(said, longest // 2)
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
        asked = np.zeros((len(readings), width), dtype=np.float32)
        for row, (one, n) in enumerate(zip(readings, lengths, strict=True)):
            ids[row, :n], marks[row, :n], asked[row, one.instruction : n] = one.ids, one.marks, 1.0
        device = self.head.weight.device
        embedded = self.backend.base_model.get_input_embeddings()(torch.from_numpy(ids).to(device))
        if self.config.marks:
            embedded = embedded + self.mark(torch.from_numpy(marks).to(device)).to(embedded.dtype)
        causal = torch.ones(width, width, dtype=torch.bool, device=device).tril()
        positions = torch.arange(width, device=device).expand(len(readings), -1)
        hidden = self.backend(embedded, causal.expand(len(readings), -1, -1), positions)
        last = torch.tensor(lengths, device=device) - 1
        share = torch.from_numpy(asked / asked.sum(1, keepdims=True)).to(device)
        mean = (hidden * share.unsqueeze(-1)).sum(1)
        seen = torch.cat([hidden[torch.arange(len(readings), device=device), last], mean], dim=-1)
        return self.head(self.dropout(seen))

    def _tokens(self, marked: MarkedText, longest: int) -> tuple[list[int], FloatArray]:
        encoded = self.tokenizer(
            marked.text,
            add_special_tokens=False,
            truncation=True,
            max_length=longest,
            return_offsets_mapping=True,
        )
        ends = np.array([end for _, end in encoded["offset_mapping"]], dtype=np.int64)
        return encoded["input_ids"], marked.marks[np.maximum(ends, 1) - 1]
