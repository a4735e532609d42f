"""Learns item tokens: one input embedding per item, such that the LM generates the item's text.

    L_tok = -sum_k log P(w_k | e_i, w_<k)        the LM is frozen, only e_i moves

Given a frozen LM the items do not depend on each other, so the catalogue is learned block by block:
memory is bounded by the block, and a killed run goes on at the block where it stopped.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmrec_env.common.files import fingerprint
from llmrec_env.common.progress import progress_bar
from llmrec_env.common.settings_types import check_types
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.item_texts import find_tensors, keep_tensors
from llmrec_env.language.item_words import Vocabulary
from llmrec_env.language.lm.decoder import text_decoder, word_embeddings
from llmrec_env.language.lm.tokenization import padded, token_rows

LOGITS = 2**26
"""Probabilities of words that a block computes at once: a quarter of a gigabyte, several times."""


@dataclass(frozen=True)
class ItemTokenConfig:
    """How item tokens are learned."""

    steps: int = 6
    """Adam steps for each block of items; 0 leaves the means of the items' words."""
    learning_rate: float = 0.2
    """Adam's rate, as a share of the root mean square of the LM's input embeddings."""
    block: int = 256
    """Items learned together, fewer where their words' probabilities would fill the memory."""
    max_tokens: int = 64
    """Tokens of an item's sentence that are read."""

    def __post_init__(self) -> None:
        check_types(self)


def pooled_tokens(
    catalogue: Catalogue,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int = 64,
    vocabulary: Vocabulary | None = None,
) -> Tensor:
    """Mean input embedding of each item's words, rarer words weighing more; float32 (n_items, H).

    The weight of a word is its inverse document frequency, among the texts of ``vocabulary`` where
    it is given, else among these. An item without text gets zeros.
    """
    rows = token_rows(catalogue.sentences, tokenizer, max_tokens)
    known = Vocabulary.of(rows) if vocabulary is None else vocabulary
    return pooled_rows(rows, word_embeddings(model), known)


def pooled_rows(rows: list[list[int]], table: Tensor, vocabulary: Vocabulary) -> Tensor:
    """As :func:`pooled_tokens`, of texts as tokens, whose embeddings are rows of ``table``."""
    frequency = torch.zeros(table.shape[0])
    frequency[vocabulary.tokens] = vocabulary.counts.float()
    weight = torch.log((1 + vocabulary.n_texts) / (1 + frequency)).to(table.device)
    pooled = torch.zeros(len(rows), table.shape[1], device=table.device)
    for i, row in enumerate(rows):
        ids = torch.tensor(row, dtype=torch.long, device=table.device)
        total = weight[ids].sum()
        if total > 0:
            pooled[i] = (weight[ids, None] * table[ids]).sum(0) / total
    return pooled


def learn_item_tokens(
    catalogue: Catalogue,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    config: ItemTokenConfig | None = None,
    folder: str | Path | None = None,
    vocabulary: Vocabulary | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """Learn the token of every item with the LM frozen.

    Args:
        catalogue: items with text.
        model: the frozen base model.
        tokenizer: its tokenizer.
        config: steps and rate.
        folder: where finished blocks are kept while others are learned.
        vocabulary: as for :func:`pooled_tokens`, from which every token begins.

    Returns:
        float32 (n_items, H), and the mean negative log-likelihood a word ``before`` and ``after``
        (nothing of the kind after 0 steps, for which no text is read).

    Raises:
        LLMRecError: ``folder`` holds the item tokens of another run.
    """
    config = config or ItemTokenConfig()
    start = pooled_tokens(catalogue, model, tokenizer, config.max_tokens, vocabulary)
    if config.steps == 0:
        return start.cpu(), {}
    rows = token_rows(catalogue.sentences, tokenizer, config.max_tokens)
    settings = json.dumps(asdict(config), sort_keys=True)
    # The words' embeddings and not their means: a sum differs in its last bits between devices.
    used = sorted({word for row in rows for word in row})
    words = word_embeddings(model)[used].cpu().numpy().tobytes()
    others = [] if vocabulary is None else [vocabulary.key]
    run = fingerprint([settings, json.dumps(rows), words, *others])
    learned = torch.empty_like(start, device="cpu")
    sums = torch.zeros(3)
    with progress_bar("learn item tokens", len(rows)) as advance:
        size = block_size(rows, model, config)
        for first in range(0, len(rows), size):
            block = slice(first, first + size)
            kept = None if folder is None else Path(folder) / "item_tokens" / f"{first:08d}"
            block_tensors = None if kept is None else find_tensors(kept, run)
            if block_tensors is None:
                block_tensors = _learn_block(start[block], rows[block], model, config)
                if kept is not None:
                    keep_tensors(kept, run, block_tensors)
            learned[block] = block_tensors["tokens"]
            sums += block_tensors["sums"]
            advance(len(block_tensors["tokens"]), f"nll {float(sums[1] / sums[2]):.3f}")
    before, after = float(sums[0] / sums[2]), float(sums[1] / sums[2])
    return learned, {"before": before, "after": after}


def block_size(rows: list[list[int]], model: PreTrainedModel, config: ItemTokenConfig) -> int:
    """Items of a block: as set, or as many as have :data:`LOGITS` probabilities of their words."""
    numbers = max(map(len, rows), default=1) * word_embeddings(model).shape[0]
    return max(1, min(config.block, LOGITS // max(1, numbers)))


def _learn_block(
    start: Tensor, rows: list[list[int]], model: PreTrainedModel, config: ItemTokenConfig
) -> dict[str, Tensor]:
    """Learned tokens of a block, and its summed loss before, after, and number of words."""
    words = model.get_input_embeddings()
    ids, real = padded(rows, model.device)
    tokens = start.clone().to(model.device).requires_grad_(True)
    scale = float(word_embeddings(model).square().mean().sqrt())
    optimizer = torch.optim.Adam([tokens], lr=config.learning_rate * scale)
    embedded = words(ids[:, :-1]).detach()

    def loss() -> Tensor:
        inputs = torch.cat([tokens[:, None].to(embedded.dtype), embedded], dim=1)
        hidden = text_decoder(model)(inputs_embeds=inputs, use_cache=False).last_hidden_state
        logits = model.get_output_embeddings()(hidden[real]).float()
        return torch.nn.functional.cross_entropy(logits, ids[real], reduction="sum")

    first = 0.0
    for step in range(config.steps):
        value = loss()
        first = first or float(value.detach())
        (gradient,) = torch.autograd.grad(value, tokens)
        tokens.grad = gradient
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * scale * (1 - step / config.steps)
        optimizer.step()
    with torch.no_grad():
        last = float(loss())
    sums = torch.tensor([first, last, float(real.sum())])
    return {"tokens": tokens.detach().float().cpu(), "sums": sums}
