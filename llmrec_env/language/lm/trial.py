"""Refuses base models that could not read what an LE reads, by what they say and a trial reading.

An LE gives its own masks and positions: actions branch off a history, see it and not each other. A
model that does not follow them answers without an error, and wrongly.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.tensor_files import is_finite
from llmrec_env.language.attention import branch_mask
from llmrec_env.language.lm.backend import LMBackend, RowCache
from llmrec_env.language.lm.decoder import text_config, text_decoder

READABLE_LAYERS = {"full_attention", "sliding_attention"}
APART = 16
"""Actions that follow the first token in the trial reading."""
SCALE = 0.1
"""Of its tokens: where they are no larger than a layer's say, what a layer gets wrong shows."""
EXACT = {torch.float32: 0.01, torch.float64: 0.01}
ROUNDED = 0.1
"""Error of a reading that rounding explains, as a share of what another history would change; of
models in half precision."""


def check_architecture(config: PretrainedConfig) -> None:
    """Refuse models whose layers are no attention over a cache of keys and values.

    Raises:
        LLMRecError: the model is an encoder-decoder, recurrent, or has linear-attention layers.
    """
    kinds = set(getattr(text_config(config), "layer_types", None) or [])
    recurrent = kinds - READABLE_LAYERS
    if recurrent or config.is_encoder_decoder:
        what = f"layers of type {sorted(recurrent)}" if recurrent else "an encoder and a decoder"
        raise unreadable(config, f"has {what}")


def check_weights(model: PreTrainedModel) -> None:
    """Refuse a model with a weight that is NaN or infinite.

    Raises:
        LLMRecError: there is one.
    """
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not is_finite(weight):
            raise LLMRecError(
                f"the base model {model.config.model_type!r} holds NaN or infinity in its weight "
                f"{name!r}; its file is damaged or its training diverged"
            )


@torch.inference_mode()
def check_reading(model: PreTrainedModel, backend: LMBackend) -> None:
    """Refuse models that do not follow the masks and positions they are given, by a trial reading.

    A token is followed by many actions, each seeing that token and itself; the last is the first
    once more. Both must be read as if no other were there, and so must an action that follows what
    a cache holds. Models that are recurrent, or that take distances from the order of the tokens
    (ALiBi), do not. And without a mask, no token may see what comes after it, as an encoder's do.

    Args:
        model: the causal LM.
        backend: as the LE will ask it.

    Raises:
        LLMRecError: the model reads the action otherwise.
    """
    tokens = _trial_tokens(backend)
    token, action, other = tokens[:, :1], tokens[:, 1:2], tokens[:, 2:3]
    alone, elsewhere, swapped = (
        _plain(model, *pair) for pair in ((token, action), (other, action), (token, other))
    )
    try:
        near, far = _branched(backend, torch.cat([tokens, action], dim=1))
        cached = _cached(backend, token, action)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise unreadable(model.config, "takes no mask of its own for every token") from error
    effect = _distance(alone[1], elsewhere[1])
    if not effect > 0:
        raise unreadable(model.config, "says the same whatever came before")
    if _distance(alone[0], swapped[0]) > EXACT[torch.float32] * effect:
        raise unreadable(model.config, "reads in both directions, as encoders do")
    noise = _distance(near, alone[1])
    allowed = EXACT.get(backend.dtype, ROUNDED) * effect
    if backend.dtype not in EXACT:  # deep models round by more than that
        allowed = min(max(allowed, 5 * noise), ROUNDED * float(alone[1].norm()))
    worst = max(noise, _distance(far, alone[1]), _distance(cached, alone[1]))
    if not worst <= allowed:
        raise unreadable(model.config, "does not follow the masks and positions it is given")


def _trial_tokens(backend: LMBackend) -> Tensor:
    """A token and many actions, (1, 1 + APART, H)."""
    generator = torch.Generator().manual_seed(0)
    tokens = SCALE * torch.randn(1, 1 + APART, backend.hidden_size, generator=generator)
    return tokens.to(next(backend.parameters()).device, backend.dtype)


def _plain(model: PreTrainedModel, *tokens: Tensor) -> Tensor:
    """What a plain reading of the tokens gives, float32 (T, H)."""
    decoder = text_decoder(model)
    outputs = decoder(inputs_embeds=torch.cat(tokens, dim=1), use_cache=False)
    return outputs.last_hidden_state[0].float()


def _branched(backend: LMBackend, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last action (H,), each read after the first token."""
    parents = torch.zeros(1, tokens.shape[1] - 1, dtype=torch.long, device=tokens.device)
    positions = torch.cat([parents[:, :1], parents + 1], dim=1)
    allowed = branch_mask(torch.ones_like(parents[0, :1]), 1, parents)
    read = backend(tokens, allowed, positions)[0]
    return read[1], read[-1]


def _cached(backend: LMBackend, token: Tensor, action: Tensor) -> Tensor:
    """The action (H,), read after a token whose keys and values a cache holds."""
    cache = RowCache(backend.n_layers, 1, 2)
    row = torch.zeros(1, dtype=torch.long, device=token.device)
    one = torch.ones(1, 1, 1, dtype=torch.bool, device=token.device)
    cache.aim(row)
    backend(token, one, row[:, None], cache=cache)
    cache.aim(row, row[:, None] + 1, 2)
    slots = torch.arange(2, device=token.device)[None]
    return backend(action, one.expand(1, 1, 2), row[:, None] + 1, slots, cache)[0, 0]


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm())


def unreadable(config: PretrainedConfig, why: str) -> LLMRecError:
    """What to tell somebody whose base model cannot serve."""
    return LLMRecError(
        f"the base model {config.model_type!r} {why}; the LE needs a decoder-only model with full "
        "or sliding-window attention (Llama, Qwen, Mistral, GPT-2, Gemma, …)"
    )
