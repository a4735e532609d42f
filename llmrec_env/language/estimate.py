"""What a fit will take: seconds of every stage and peak memory, from steps that were timed.

Nothing here comes from a table of machines: a few texts are read, one step of a few item tokens is
taken, and one learning step of the largest and of the middle batch, all thrown away. The peak is
that of the process (of the GPU where there is one) after these steps; a CPU's grows by some more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.fit_config import FitConfig
from llmrec_env.language.item_texts import mean_outputs, unread_share
from llmrec_env.language.item_tokens import LOGITS, learn_item_tokens
from llmrec_env.language.item_words import ItemWords
from llmrec_env.language.learning import Trial
from llmrec_env.language.lm.null import NullLM
from llmrec_env.language.lm.tokenization import token_rows
from llmrec_env.language.lm.transformers_backend import TransformersBackend
from llmrec_env.language.model import LanguageEnvironment

SAMPLE = 4
"""Item texts on which a reading is timed."""
HEAP = 1.5
"""By how much a process grows beyond what its largest step needs, as batches of many sizes leave
gaps in its heap: a fit of SmolLM2 held 3.7 GB at most, and 2.6 GB after these steps."""
COPIES = 4
"""How often the words' probabilities stand in memory while item tokens learn."""


@dataclass(frozen=True)
class FitEstimate:
    """Seconds of the stages at most, as early stopping may end the learning, and peak bytes.

    Attributes:
        texts: reading the items' texts; 0 where they have been read before.
        tokens: learning a token an item; 0 where words are pooled.
        learning: learning from the users, validations included.
        memory: bytes at the peak; 0 where the system does not tell.
        steps: of each item token.
    """

    texts: float
    tokens: float
    learning: float
    memory: int
    steps: int = 0

    @property
    def seconds(self) -> float:
        """All stages."""
        return self.texts + self.tokens + self.learning

    def __str__(self) -> str:
        tokens = f"item tokens ({self.steps} steps)" if self.steps else "item tokens (pooled)"
        stages = {"item texts": self.texts, tokens: self.tokens, "learning": self.learning}
        parts = [f"{name}: {shown_seconds(seconds)}" for name, seconds in stages.items()]
        return ", ".join([*parts, *([f"{self.memory / 1e9:.1f} GB"] if self.memory else [])])


def estimate(
    train_log: InteractionLog,
    validation: InteractionLog,
    backend: TransformersBackend,
    config: FitConfig,
    kept: Path | None,
) -> FitEstimate:
    """Time single steps of a fit; the backend is afterwards as it was.

    Args:
        train_log: the users to learn from.
        validation: users held out.
        backend: the LM, without an adapter.
        config: of the fit, what the LM reads of an item decided.
        kept: where outputs over these texts are kept, if anywhere.
    """
    base, tokenizer, catalogue = backend.base_model, backend.tokenizer, train_log.catalogue
    learning = _learning_seconds(train_log, validation, backend, config)
    texts, tokens, memory = 0.0, 0.0, peak_memory(base.device)
    if catalogue.has_text and config.reads_texts:
        sample, share = _sample(catalogue, tokenizer, config.item_tokens.max_tokens)
        if config.item_encoder is None:
            texts = _text_seconds(sample, base, tokenizer, config) / share
            if kept is not None:
                limit = config.item_tokens.max_tokens
                texts *= unread_share(catalogue, base, limit, config.text_layer, kept)
        if config.items == "text":
            tokens = _token_seconds(sample, base, tokenizer, config) / share
            memory += COPIES * 4 * LOGITS
    steps = config.item_tokens.steps if config.items == "text" else 0
    return FitEstimate(texts, tokens, learning, memory, steps)


def _learning_seconds(
    train_log: InteractionLog,
    validation: InteractionLog,
    backend: TransformersBackend,
    config: FitConfig,
) -> float:
    """From a step of the largest batch, for what memory it needs, and one of the middle one."""
    catalogue = train_log.catalogue
    size = min(config.model.state_size, backend.hidden_size)
    generator = torch.Generator().manual_seed(0)
    words = ItemWords.none(len(catalogue))
    if catalogue.has_text:
        words = ItemWords.of(catalogue, backend.tokenizer, config.item_tokens.max_tokens)
    model = LanguageEnvironment(
        catalogue,
        backend if config.language_model else NullLM(backend.hidden_size),
        torch.randn(len(catalogue), backend.hidden_size, generator=generator),
        torch.nn.functional.normalize(torch.randn(len(catalogue), size, generator=generator)),
        replace(config.model, skips=config.reads_skips),
        words,
    ).to(backend.device)
    try:
        trial = Trial(model, train_log, validation, config.learning)
        timed(lambda: trial.step(-1), backend.device)
        middle = trial.middle
        step = timed(lambda: trial.step(middle), backend.device) / trial.tokens[middle]
        read = timed(lambda: trial.read(middle), backend.device) / trial.tokens[middle]
        return step * trial.step_tokens + read * trial.read_tokens
    finally:
        backend.unadapt()


def _sample(
    catalogue: Catalogue, tokenizer: PreTrainedTokenizerBase, limit: int
) -> tuple[Catalogue, float]:
    """A few items of middling length, and their share of the catalogue's tokens."""
    lengths = torch.tensor([len(row) for row in token_rows(catalogue.sentences, tokenizer, limit)])
    order = lengths.argsort(stable=True)
    first = max(0, len(order) // 2 - SAMPLE // 2)
    chosen = order[first : first + SAMPLE]
    return catalogue.take(chosen.numpy()), float(lengths[chosen].sum()) / float(lengths.sum())


def _text_seconds(
    sample: Catalogue, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: FitConfig
) -> float:
    limit, layer = config.item_tokens.max_tokens, config.text_layer
    return timed(lambda: mean_outputs(sample, base, tokenizer, limit, layer), base.device)


def _token_seconds(
    sample: Catalogue, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, config: FitConfig
) -> float:
    """Of all steps, from one step; the loss that is computed after the last one goes in too."""
    one = replace(config.item_tokens, steps=1)
    step = timed(lambda: learn_item_tokens(sample, base, tokenizer, one), base.device)
    return step * config.item_tokens.steps


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, with the device's queue emptied."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def peak_memory(device: torch.device, heap: float = HEAP) -> int:
    """Bytes that the GPU held at most so far, or that this process will have: ``heap`` times what
    it held."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # pragma: no cover  Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return int(heap * unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def shown_seconds(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
