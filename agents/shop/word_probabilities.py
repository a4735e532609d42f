"""``WordProbabilities``: log-probabilities of single words from a decoder's states.

The head over the words is the largest map of a small language model: logits of every place of a
batch would be the largest tensor by far. Here they are computed of the places that are asked for,
some at a time, and computed again for the gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from llmrec_env.common.errors import LLMRecError
from llmrec_env.language.lm.decoder import text_config, text_decoder

LOGITS = 16_000_000
"""Logits that are in memory at once: 64 MB of float32."""
TOLERANCE = 1e-2


class WordProbabilities:
    """The head of a causal LM.

    Args:
        model: the causal LM; nothing of it is copied.

    Raises:
        LLMRecError: its logits are not those of its head over its decoder's states.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        config = text_config(model.config)
        self._softcap = getattr(config, "final_logit_softcapping", None)  # Gemma
        self._scale = float(getattr(config, "logit_scale", None) or 1.0)  # Cohere
        self._scale /= float(getattr(config, "logits_scaling", None) or 1.0)  # Granite
        self._check()

    def __call__(self, states: Tensor, places: Tensor, words: Tensor) -> Tensor:
        """Log-probabilities float32 (T,).

        Args:
            states: of the decoder, (P, H).
            places: int64 (T,), from which state each word is told.
            words: int64 (T,).
        """
        asked, owner = torch.unique(places, return_inverse=True)
        chosen = states[asked]
        order = torch.argsort(owner, stable=True)
        owner, words = owner[order], words[order]
        size = max(1, LOGITS // text_config(self._model.config).vocab_size)
        parts = []
        for first in range(0, len(asked), size):
            here = (owner >= first) & (owner < first + size)
            part = chosen[first : first + size], owner[here] - first, words[here]
            parts.append(
                checkpoint(self._log_probs, *part, use_reentrant=False)
                if torch.is_grad_enabled()
                else self._log_probs(*part)
            )
        return torch.cat(parts)[torch.argsort(order)]

    def _log_probs(self, states: Tensor, places: Tensor, words: Tensor) -> Tensor:
        logits = self._logits(states)
        return logits[places, words] - logits.logsumexp(dim=-1)[places]

    def _logits(self, states: Tensor) -> Tensor:
        logits: Tensor = self._model.get_output_embeddings()(states).float() * self._scale
        if self._softcap is not None:
            logits = self._softcap * torch.tanh(logits / self._softcap)
        return logits

    @torch.no_grad()
    def _check(self) -> None:
        ids = torch.tensor([[1, 2, 3]], device=self._model.device)
        states = text_decoder(self._model)(input_ids=ids, use_cache=False).last_hidden_state[0]
        expected = self._model(input_ids=ids, use_cache=False).logits[0].float()
        if not torch.allclose(self._logits(states), expected, rtol=TOLERANCE, atol=TOLERANCE):
            raise LLMRecError(
                f"the base model {self._model.config.model_type!r} does more to its logits than "
                "this policy knows of; use a Llama, Qwen, Mistral, GPT-2, Gemma or like model"
            )
