"""Which token sees which: masks and positions for causal language models of any architecture.

Three shapes of reading share these masks::

    trunk      x1 x2 x3                  each item sees itself and what came before
    branches   x1 x2 x3 | a1 a2 a3       an action after x_t sees x1..xt and itself only
    decoding   cache of N rows | a       one new item a row sees that row's valid keys and itself

A mask says for each (query, key) pair whether it may be read, and the distance between their
positions decides what a sliding-window layer still sees.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from llmrec_env.common.errors import LLMRecError

READABLE_LAYERS = {"full_attention", "sliding_attention"}
APART = 16  # tokens between an action and its history in the trial reading


def check_architecture(config: PretrainedConfig) -> None:
    """Refuse models whose layers are no attention over a cache of keys and values.

    Raises:
        LLMRecError: the model is an encoder-decoder, recurrent, or has linear-attention layers.
    """
    kinds = set(getattr(config, "layer_types", None) or [])
    recurrent = kinds - READABLE_LAYERS
    if recurrent or config.is_encoder_decoder:
        what = f"layers of type {sorted(recurrent)}" if recurrent else "an encoder and a decoder"
        raise _unreadable(config, f"has {what}")


@torch.inference_mode()
def check_reading(model: PreTrainedModel) -> None:
    """Refuse models that do not follow the masks and positions they are given, by a trial reading.

    A token followed by many actions, each seeing that token and itself, must read the last action
    as if no other were there. Models that are recurrent, or that take distances from the order of
    the tokens (ALiBi), do not.

    Raises:
        LLMRecError: the model reads the action otherwise.
    """
    transformer = cast(PreTrainedModel, model.base_model)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(1, 1 + APART, model.config.hidden_size, generator=generator)
    tokens = tokens.to(model.device, model.dtype)
    parents = torch.zeros(1, APART, dtype=torch.long, device=model.device)
    positions = torch.cat([parents[:, :1], parents + 1], dim=1)
    allowed = branch_mask(torch.ones_like(parents[0, :1]), 1, parents)
    mask = model_mask(transformer.config, allowed, positions, positions, model.dtype)
    try:
        branched = transformer(
            inputs_embeds=tokens, attention_mask=mask, position_ids=positions, use_cache=False
        ).last_hidden_state[0, -1]
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise _unreadable(model.config, "takes no mask of its own for every token") from error
    alone = transformer(inputs_embeds=tokens[:, [0, -1]], use_cache=False).last_hidden_state[0, -1]
    off = float((branched - alone).float().norm() / alone.float().norm())
    if not off < (1e-3 if model.dtype == torch.float32 else 0.1):
        raise _unreadable(model.config, "does not follow the masks and positions it is given")


def _unreadable(config: PretrainedConfig, why: str) -> LLMRecError:
    return LLMRecError(
        f"the base model {config.model_type!r} {why}; the LE needs a decoder-only model with full "
        "or sliding-window attention (Llama, Qwen, Mistral, GPT-2, Gemma, …)"
    )


def sliding_window(config: PretrainedConfig) -> int | None:
    """The window of the model's sliding layers, in tokens; None where every layer sees all."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if window is None or getattr(config, "use_sliding_window", True) is False:
        return None
    return None if kinds and "sliding_attention" not in kinds else int(window)


def model_mask(
    config: PretrainedConfig,
    allowed: Tensor,
    query_positions: Tensor,
    key_positions: Tensor,
    dtype: torch.dtype,
) -> Any:
    """The attention mask in the form that the model's forward takes.

    Args:
        allowed: bool (B, Q, K): whether a query may read a key.
        query_positions: int64 (B, Q).
        key_positions: int64 (B, K).
        dtype: the model's dtype, for implementations that add their mask to the logits.

    Returns:
        A (B, 1, Q, K) mask, or a dict of one a layer type where the model mixes them.
    """
    window = sliding_window(config)
    kinds = set(getattr(config, "layer_types", None) or [])
    full = _as_given(config, allowed, dtype)
    if window is None:
        return full
    near = (query_positions[:, :, None] - key_positions[:, None, :]) < window
    narrow = _as_given(config, allowed & near, dtype)
    return {"full_attention": full, "sliding_attention": narrow} if kinds else narrow


def _as_given(config: PretrainedConfig, allowed: Tensor, dtype: torch.dtype) -> Tensor:
    mask = allowed[:, None]
    if config._attn_implementation == "sdpa":
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(
        ~mask, torch.finfo(dtype).min
    )


def trunk_mask(lengths: Tensor, width: int) -> Tensor:
    """Causal reading of right-padded rows: bool (B, width, width) from lengths int64 (B,).

    A padded query sees key 0 only, so that no softmax is over nothing.
    """
    place = torch.arange(width, device=lengths.device)
    causal = place[None, :] <= place[:, None]
    real = place[None, :] < lengths[:, None]
    mask = causal[None] & real[:, None, :]
    mask[:, :, 0] = True
    return mask


def branch_mask(lengths: Tensor, width: int, parents: Tensor) -> Tensor:
    """Reading of a trunk of ``width`` items followed by actions that branch off it.

    Args:
        lengths: int64 (B,), real items of each row's trunk.
        width: padded width of the trunk.
        parents: int64 (B, C), the trunk position after which each action is tried.

    Returns:
        bool (B, width + C, width + C).
    """
    rows, branches = parents.shape
    mask = torch.zeros(
        rows, width + branches, width + branches, dtype=torch.bool, device=parents.device
    )
    mask[:, :width, :width] = trunk_mask(lengths, width)
    place = torch.arange(width, device=parents.device)
    mask[:, width:, :width] = place[None, None, :] <= parents[:, :, None]
    itself = torch.arange(branches, device=parents.device)
    mask[:, width + itself, width + itself] = True
    return mask
