"""What the simulated user's speed is held against: the bare language model, and text prompts.

The bare model is the base transformer without its head over words, given one token a row (decode)
or whole rows (forward). It knows no items, states or rewards and answers nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase, StaticCache

from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.attention import trunk_mask
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.tokenization import padded
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.saving import SavedModel

Decode = Callable[[], object]

INSTRUCTION = (
    "You are a customer of a shop for books, films, music and games. Below is what you took, the "
    "oldest first, each with its category. Think of what these have in common and of what you "
    "have had enough of, and then tell whether you would take the last item too if the shop were "
    "to show it to you now. Answer yes or no and nothing else. "
)
INSTRUCTION_TOKENS = 60
TITLES = 20


class BareModel:
    """The base model of a saved LE, as transformers loads it."""

    def __init__(self, folder: Path, le: LanguageEnvironment) -> None:
        base = SavedModel.open(folder).description["base_model"] or folder / "base_model"
        self.causal_lm, self.tokenizer = load_base_model(base, le.dtype)
        self.causal_lm.to(le.device)
        self.le = le

    @property
    def transformer(self) -> PreTrainedModel:
        """The model without its head over words."""
        return self.causal_lm.base_model

    def decodes(self, rows: int, length: int, steps: int) -> dict[str, Decode]:
        """Ways to decode one token in each of ``rows``, the cache ``length`` long on average.

        Each call is one decode step. After ``steps`` calls the cache is as it was at first, so that
        the mean cache length over a whole round is ``length``.
        """
        return {
            "dynamic cache": self._decode_dynamic(rows, length, steps),
            "static cache": self._decode_static(rows, length, steps),
            "the LE's reader": self._decode_reader(rows, length, steps),
        }

    def _decode_dynamic(self, rows: int, length: int, steps: int) -> Decode:
        first = max(1, length - steps // 2)
        cache = DynamicCache()
        self._fill(cache, rows, first)
        token = self._noise(rows, 1)

        def decode() -> None:
            if cache.get_seq_length() >= first + steps:
                cache.crop(first - cache.get_seq_length())
            self.transformer(inputs_embeds=token, past_key_values=cache, use_cache=True)

        return decode

    def _decode_static(self, rows: int, length: int, steps: int) -> Decode:
        first = max(1, length - steps // 2)
        full = StaticCache(config=self.transformer.config, max_cache_len=first + steps)
        token = self._noise(rows, 1)
        taken = steps

        def decode() -> None:
            nonlocal taken
            if taken == steps:
                full.reset()
                self._fill(full, rows, first)
                taken = 0
            self.transformer(inputs_embeds=token, past_key_values=full, use_cache=True)
            taken += 1

        return decode

    def _decode_reader(self, rows: int, length: int, steps: int) -> Decode:
        """The package's own reader, which is faster than transformers where it can be used."""
        backend, device = self.le.backend, self.le.device
        cache = backend.new_cache(rows, length + steps)
        everyone, token = torch.arange(rows, device=device), self._noise(rows, 1)
        places = torch.arange(length + steps, device=device)
        first = max(1, length - steps // 2)
        now = first

        def decode() -> None:
            nonlocal now
            now = now + 1 if now < first + steps else first
            position = torch.full((rows,), now, device=device)
            cache.aim(everyone, position[:, None], now + 1)
            slots = places[: now + 1].expand(rows, now + 1)
            allowed = (slots <= position[:, None])[:, None]
            backend(token, allowed, position[:, None], slots, cache)

        return decode

    def forward(self, lengths: Tensor) -> None:
        """One causal pass over right-padded rows of these lengths, by the faster reader."""
        self.transformer(inputs_embeds=self._noise(len(lengths), int(lengths.max())))

    def forward_reader(self, lengths: Tensor) -> None:
        """The same by the package's own reader."""
        width = int(lengths.max())
        positions = torch.arange(width, device=self.le.device).expand(len(lengths), width)
        self.le.backend(self._noise(len(lengths), width), trunk_mask(lengths, width), positions)

    def _fill(self, cache: DynamicCache | StaticCache, rows: int, length: int) -> None:
        tokens = self._noise(rows, length)
        self.transformer(inputs_embeds=tokens, past_key_values=cache, use_cache=True)

    def _noise(self, rows: int, width: int) -> Tensor:
        size = self.transformer.config.hidden_size
        return torch.zeros(rows, width, size, device=self.le.device, dtype=self.le.dtype)


class TextPrompts:
    """A user simulator that reads a text prompt at every step and answers with P(yes).

    It reads no more than it has to: one pass, whose last place says yes or no; rows are padded on
    the left, to the longest of the batch. It gives a reward and no state.
    """

    def __init__(
        self, causal_lm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, catalogue: Catalogue
    ) -> None:
        self.causal_lm = causal_lm
        self.device = causal_lm.device
        table = catalogue.table
        category = table["category"] if "category" in table.columns else catalogue.titles
        lines = [f"{t}, {c}\n" for t, c in zip(catalogue.titles, category, strict=True)]
        self.items: list[list[int]] = tokenizer(lines, add_special_tokens=False)["input_ids"]
        words = tokenizer(INSTRUCTION, add_special_tokens=False)["input_ids"]
        self.instruction = (words * INSTRUCTION_TOKENS)[:INSTRUCTION_TOKENS]
        ask = tokenizer(["yes", "no"], add_special_tokens=False)["input_ids"]
        self.answers = [ids[0] for ids in ask]

    def prompt(self, history: list[int]) -> list[int]:
        """The instruction and the last twenty titles with their categories, as word tokens."""
        return self.instruction + [w for item in history[-TITLES:] for w in self.items[item]]

    def answer(self, histories: list[list[int]], actions: list[int]) -> Tensor:
        """P(yes) of one item a user, every prompt read whole."""
        pairs = zip(histories, actions, strict=True)
        return self._read([self.prompt(h) + self.items[a] for h, a in pairs])

    def open(self, histories: list[list[int]]) -> Callable[[list[int]], Tensor]:
        """Read the prompts up to the item once; what comes back reads only the item's words.

        Histories stay as they are: what a taken item would cost is left out, in favour of this
        simulator.
        """
        cache = DynamicCache()
        ids, real = self._padded([self.prompt(history) for history in histories])
        positions = (real.cumsum(1) - 1).clamp(min=0)
        self.causal_lm.base_model(
            input_ids=ids, attention_mask=real, position_ids=positions, past_key_values=cache
        )
        read = ids.shape[1]

        def answer(actions: list[int]) -> Tensor:
            cache.crop(read - cache.get_seq_length())
            return self._read([self.items[a] for a in actions], (cache, real))

        return answer

    def _read(
        self, rows: list[list[int]], past: tuple[DynamicCache, Tensor] | None = None
    ) -> Tensor:
        ids, real = self._padded(rows)
        mask = real if past is None else torch.cat([past[1], real], dim=1)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        outputs = self.causal_lm(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=None if past is None else past[0],
            use_cache=past is not None,
            logits_to_keep=1,
        )
        return outputs.logits[:, -1, self.answers].softmax(-1)[:, 0]

    def _padded(self, rows: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Ids and mask int64 (B, T), padded on the left."""
        ids, real = padded([row[::-1] for row in rows], self.device)
        return ids.flip(1), real.flip(1).long()
