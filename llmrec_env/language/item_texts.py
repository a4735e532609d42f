"""Reads item texts with a language model: what it makes of each, kept so that none is read twice.

The outputs depend on the texts, the model's weights and the settings of the reading alone, so they
are kept under a fingerprint of these, block by block: a killed reading goes on at the block where
it stopped, and whatever is fitted later on the same texts finds them all.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmrec_env.common.errors import LLMRecError, SettingError
from llmrec_env.common.files import atomic_path, cache_folder, fingerprint
from llmrec_env.common.progress import progress_bar
from llmrec_env.common.tensor_files import sample_lines
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.lm.decoder import own_weights, text_config, text_decoder
from llmrec_env.language.lm.tokenization import padded, token_rows

BATCH = 64
BLOCK = 16 * BATCH
"""Items whose outputs are kept together."""


def texts_folder(catalogue: Catalogue, model: nn.Module) -> Path:
    """Where the cache keeps what this model makes of these texts."""
    known = own_weights(model).items()  # an adapter that stands in it reads no item texts
    weights = [_line(name, value) for name, value in sorted(known)]
    return cache_folder() / "item_texts" / fingerprint([*weights, *catalogue.sentences])


@dataclass(frozen=True)
class KeptTexts:
    """Where what is read and learned of the texts is kept, if anywhere.

    Attributes:
        outputs: the folder of :func:`mean_outputs`.
        tokens: the folder of learned item tokens.
    """

    outputs: Path | None
    tokens: Path | None

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        model: PreTrainedModel,
        tokens: Any,
        checkpoint: Path | None,
        lasting: bool,
    ) -> KeptTexts:
        """In the cache if others can read the same texts with the same model; else in a checkpoint.

        Args:
            catalogue: the items.
            model: who reads them.
            tokens: settings of learning item tokens, a dataclass.
            checkpoint: of this run.
            lasting: whether it is a model that others have too.
        """
        if checkpoint is None and not lasting:
            return cls(None, None)
        texts = texts_folder(catalogue, model)
        if checkpoint is not None and not lasting:
            return cls(checkpoint / "item_features" / texts.name, checkpoint)
        settings = json.dumps(asdict(tokens), sort_keys=True)
        return cls(texts, texts / f"tokens-{fingerprint([settings, str(model.dtype)])}")


def _line(name: str, value: Tensor) -> str:
    """A weight's name, shape and some of its numbers."""
    readable = value.float() if value.dtype == torch.float16 else value
    return f"{name} {sample_lines({name: readable})[name]}"


@torch.no_grad()
def mean_outputs(
    catalogue: Catalogue,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    max_tokens: int = 64,
    layer: int | None = None,
    folder: Path | None = None,
) -> Tensor:
    """The mean output of the LM over each item's text; float32 (n_items, H).

    Args:
        catalogue: items with text.
        model: the LM.
        tokenizer: its tokenizer.
        max_tokens: tokens of a text that are read.
        layer: of which layer, from 1; the text then follows the start token, on which deep models
            lay what belongs to no word and which is left out of the mean. None is the last layer,
            after its norm.
        folder: where finished blocks are kept, if anywhere.

    Raises:
        SettingError: the model has fewer layers.
    """
    rows = token_rows(catalogue.sentences, tokenizer, max_tokens)
    before = [] if layer is None else start_token(tokenizer)
    run = f"{layer} {max_tokens} {model.dtype}"
    place = None if folder is None else _place(folder, run)
    stack = _first_layers(model, layer)
    blocks = []
    with progress_bar("read item texts", len(rows)) as advance:
        for first in range(0, len(rows), BLOCK):
            block = rows[first : first + BLOCK]
            path = None if place is None else place / f"{first:08d}"
            found = None if path is None else find_tensors(path, run)
            if found is None:
                found = {"outputs": _read(block, model, stack, before)}
                if path is not None:
                    keep_tensors(path, run, found)
            blocks.append(found["outputs"])
            advance(len(block), "")
    return torch.cat(blocks)


def unread_share(
    catalogue: Catalogue, model: PreTrainedModel, max_tokens: int, layer: int | None, folder: Path
) -> float:
    """The share of the texts that :func:`mean_outputs` would not find in ``folder``."""
    place = _place(folder, f"{layer} {max_tokens} {model.dtype}")
    starts = range(0, len(catalogue), BLOCK)
    return sum(not (place / f"{first:08d}").exists() for first in starts) / len(starts)


def _place(folder: Path, run: str) -> Path:
    return folder / f"outputs-{fingerprint([run])}"


def start_token(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The token before a text; the end token where there is none of its own."""
    ids = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    return [cast(int, i) for i in ids if i is not None][:1]


def _read(
    rows: list[list[int]], model: PreTrainedModel, stack: _FirstLayers | None, before: list[int]
) -> Tensor:
    """Means over the rows' own tokens, float32 (n, H)."""
    means = torch.zeros(len(rows), text_config(model.config).hidden_size)
    order = list(range(len(rows)))
    if stack is not None:  # rows of like length have little padding
        order.sort(key=lambda i: len(rows[i]))
    for first in range(0, len(rows), BATCH):
        chosen = order[first : first + BATCH]
        ids, real = padded([before + rows[i] for i in chosen], model.device)
        real[:, : len(before)] = False
        if stack is None:
            hidden = text_decoder(model)(input_ids=ids, use_cache=False).last_hidden_state.float()
        else:
            hidden = stack.outputs(ids).float()
        total = (hidden * real[..., None]).sum(1)
        means[chosen] = (total / real.sum(1, keepdim=True).clamp(min=1)).cpu()
    return means


class _Reached(Exception):
    """The layer was reached; nothing above it need be computed."""


class _FirstLayers:
    """A decoder read up to one of its layers."""

    def __init__(self, decoder: PreTrainedModel, layer: nn.Module) -> None:
        self.decoder, self.layer = decoder, layer

    def outputs(self, ids: Tensor) -> Tensor:
        """What the layer makes of token ids (B, T); (B, T, H)."""
        found: list[Tensor] = []

        def stop(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            found.append(output if isinstance(output, Tensor) else output[0])
            raise _Reached

        hook = self.layer.register_forward_hook(stop)
        try:
            self.decoder(input_ids=ids, use_cache=False)
        except _Reached:
            pass
        finally:
            hook.remove()
        return found[0]


def _first_layers(model: PreTrainedModel, layer: int | None) -> _FirstLayers | None:
    if layer is None:
        return None
    whole = text_config(model.config).num_hidden_layers
    if not 1 <= layer <= whole:
        raise SettingError(f"text_layer is {layer}, and the base model has layers 1 to {whole}")
    decoder = text_decoder(model)
    lists = [part for part in decoder.children() if isinstance(part, nn.ModuleList)]
    layers = next(part for part in lists if len(part) == whole)
    return _FirstLayers(decoder, layers[layer - 1])


def find_tensors(path: Path, run: str) -> dict[str, Tensor] | None:
    """What :func:`keep_tensors` wrote, or None where there is nothing.

    Raises:
        LLMRecError: it is of another run.
    """
    if not path.exists():
        return None
    with safe_open(path, framework="pt") as saved:
        if (saved.metadata() or {}).get("run") != run:
            raise LLMRecError(
                f"{path.parent} holds the item tokens of another run (other texts, settings or "
                "base model); remove the folder or name another"
            )
        return {name: saved.get_tensor(name) for name in saved.keys()}  # noqa: SIM118


def keep_tensors(path: Path, run: str, tensors: dict[str, Tensor]) -> None:
    """Write what was read or learned of the texts to a file that names its run."""
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"run": run})
