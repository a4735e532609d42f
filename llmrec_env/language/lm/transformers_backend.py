"""``TransformersBackend``: any causal LM of transformers as a trainable backend (LoRA).

A mask says for each (query, key) pair whether it may be read, and the distance between their
positions decides what a sliding-window layer still sees.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.cache_utils import Cache, DynamicLayer
from transformers.pytorch_utils import Conv1D

from llmrec_env.common.errors import SettingError
from llmrec_env.language.lm.backend import LMBackend, RowCache, RowLayer
from llmrec_env.language.lm.decoder import outside_decoder, text_config, text_decoder
from llmrec_env.language.lm.trial import check_architecture, check_reading, check_weights


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


class TransformersBackend(LMBackend):
    """A decoder-only model with attention over keys and values, of any architecture.

    Args:
        base_model: the causal LM.
        tokenizer: of its words.
        name: hub name or folder that it came from, if it came from one.

    Attributes:
        causal_lm: the base model, wrapped by peft between :meth:`adapt` and :meth:`fold`.

    Raises:
        LLMRecError: the model cannot read what an LE reads.
    """

    def __init__(
        self,
        base_model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str | None = None,
    ) -> None:
        super().__init__()
        check_architecture(base_model.config)
        check_weights(base_model)
        self.causal_lm: PeftModel | PreTrainedModel = base_model.requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self._recomputes = False
        words = text_config(base_model.config)
        self.hidden_size = words.hidden_size
        self.n_layers = words.num_hidden_layers
        self.max_positions = getattr(words, "max_position_embeddings", None)
        check_reading(base_model, self)

    @property
    def base_model(self) -> PreTrainedModel:
        """The causal LM in which the adapters stand."""
        if isinstance(self.causal_lm, PeftModel):
            return cast(PreTrainedModel, self.causal_lm.get_base_model())
        return self.causal_lm

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.base_model.device

    @property
    def transformer(self) -> PreTrainedModel:
        """The decoder over words, without the head over them."""
        return text_decoder(self.base_model)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which the language model computes."""
        return self.transformer.dtype

    @property
    def can_learn(self) -> bool:
        """Whether the adapters stand beside the base weights, not in them."""
        return isinstance(self.causal_lm, PeftModel)

    def adapt(
        self,
        rank: int,
        alpha: int,
        dropout: float,
        modules: Collection[str] = (),
        last: int | None = None,
    ) -> None:
        """Put a LoRA adapter beside every linear map, or beside those of these names.

        Args:
            rank, alpha, dropout: of the adapter.
            modules: names of maps; none means all.
            last: of how many layers, the last ones; None for all of them. What lies below is then
                read without a gradient.

        Raises:
            SettingError: the model has no such map.
        """
        check_modules(self.base_model, modules)
        targets: list[str] | str = sorted(modules) or "all-linear"
        if last is not None:
            targets = maps_of_last_layers(self.base_model, modules, last)
        lora = LoraConfig(
            r=rank,
            lora_alpha=alpha,
            lora_dropout=dropout,
            target_modules=targets,
            exclude_modules=outside_decoder(self.base_model),
            fan_in_fan_out=self.base_model.config.model_type == "gpt2",
            task_type="CAUSAL_LM",
        )
        with warnings.catch_warnings():  # peft asks transformers by a name that it renamed
            warnings.simplefilter("ignore", FutureWarning)
            self.causal_lm = get_peft_model(self.base_model, lora)

    def unadapt(self) -> None:
        """Take the adapter away again, with what it has learned."""
        if isinstance(self.causal_lm, PeftModel):
            base = cast(PreTrainedModel, self.causal_lm.unload())
            if hasattr(base, "peft_config"):
                del base.peft_config
            self.causal_lm = base.requires_grad_(False)
            self.recompute(False)

    @contextmanager
    def without_adapter(self) -> Iterator[PreTrainedModel]:
        """The base model as it was before it learned, for the time being."""
        if not isinstance(self.causal_lm, PeftModel):
            yield self.base_model
            return
        with self.causal_lm.disable_adapter():
            yield self.base_model

    def recompute(self, again: bool) -> None:
        """Whether a learning pass keeps no outputs but computes them again for the gradient."""
        if again == self._recomputes:
            return
        with warnings.catch_warnings():  # transformers 5 has two names for these, of which one ends
            warnings.simplefilter("ignore", FutureWarning)
            if again:
                self.base_model.gradient_checkpointing_enable({"use_reentrant": False})
            else:
                self.base_model.gradient_checkpointing_disable()
        self._recomputes = again

    def fold(self) -> None:
        """Add the adapter to the base weights: reading then costs what the base model costs.

        There is no way back: a folded backend learns no more and cannot be saved.
        """
        if isinstance(self.causal_lm, PeftModel):
            self.causal_lm = cast(PreTrainedModel, self.causal_lm.merge_and_unload())

    def forward(
        self,
        embedded: Tensor,
        allowed: Tensor,
        positions: Tensor,
        key_positions: Tensor | None = None,
        cache: RowCache | None = None,
    ) -> Tensor:
        """One pass over tokens; see :meth:`LMBackend.forward`."""
        keys = positions if key_positions is None else key_positions
        if cache is not None and cache.wrapped is None:
            cache.wrapped = Cache(layers=[_Layer(layer) for layer in cache.layers])
        outputs = self.transformer(
            inputs_embeds=embedded,
            attention_mask=model_mask(
                self.transformer.config, allowed, positions, keys, self.dtype
            ),
            position_ids=positions,
            past_key_values=None if cache is None else cache.wrapped,
            use_cache=cache is not None,
        )
        return cast(Tensor, outputs.last_hidden_state).float()


class _Layer(DynamicLayer):
    """A layer's rows as transformers asks for them."""

    def __init__(self, rows: RowLayer) -> None:
        super().__init__()
        self._rows = rows

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        return self._rows.update(key_states, value_states)


def maps_of_last_layers(model: PreTrainedModel, names: Collection[str], last: int) -> list[str]:
    """Names of the linear maps, or of those with these names, in a model's last layers."""
    first = text_config(model.config).num_hidden_layers - last
    wanted = re.compile(rf"\.(\d+)\..*?\b({'|'.join(map(re.escape, names)) or '[^.]+'})$")
    found = []
    for name, part in model.named_modules():
        match = wanted.search(name)
        if isinstance(part, (torch.nn.Linear, Conv1D)) and match and int(match[1]) >= first:
            found.append(name)
    return found


def check_modules(model: PreTrainedModel, names: Collection[str]) -> None:
    """Refuse names of linear maps that no layer of the model has.

    Raises:
        SettingError: there is one.
    """
    linear = (torch.nn.Linear, Conv1D)
    maps = [name for name, part in text_decoder(model).named_modules() if isinstance(part, linear)]
    for wanted in names:
        if not any(name == wanted or name.endswith(f".{wanted}") for name in maps):
            there = ", ".join(sorted({name.rpartition(".")[2] for name in maps}))
            raise SettingError(f"lora_modules: the base model has no {wanted!r}; it has {there}")
