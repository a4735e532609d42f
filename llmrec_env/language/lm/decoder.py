"""Where a causal LM keeps its decoder: at the top, or inside a model that sees and hears too."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel


def text_config(config: PretrainedConfig) -> PretrainedConfig:
    """The configuration of the decoder over words, which a multimodal one holds inside."""
    return config.get_text_config(decoder=True)


def text_decoder(model: PreTrainedModel) -> PreTrainedModel:
    """The decoder of a causal LM, without its head over words and whatever else reads beside it."""
    if text_config(model.config) is model.config:
        return cast(PreTrainedModel, model.base_model)
    return cast(PreTrainedModel, model.get_decoder())


def word_embeddings(model: PreTrainedModel) -> Tensor:
    """The LM's input embeddings, float32 (vocabulary, H)."""
    return cast(Tensor, model.get_input_embeddings().weight).detach().float()


def outside_decoder(model: PreTrainedModel) -> str | None:
    """A regular expression of the modules that are no part of the decoder; None where all are."""
    decoder = text_decoder(model)
    if decoder is model.base_model:
        return None
    name = next(name for name, module in model.named_modules() if module is decoder)
    return rf"(?!{name}\.).*"


def own_weights(base: nn.Module) -> dict[str, Tensor]:
    """The weights of a base model by their names, without the adapter that stands in it."""
    weights = base.state_dict().items()
    return {n.replace(".base_layer", ""): v for n, v in weights if ".lora_" not in n}
