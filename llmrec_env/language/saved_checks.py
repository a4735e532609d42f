"""What must hold for any saved LE, one without a manifest too: nobody could have saved another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from llmrec_env.common.errors import DataError
from llmrec_env.common.files import read_json
from llmrec_env.common.saved_folder import reading
from llmrec_env.common.tensor_files import check_shapes

HEADS = "heads.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
FLOATS = ("item_tokens", "item_features", "word_weights", "reward_mean", "reward_sd")
INTEGERS = ("word_ids", "word_offsets")


def check_heads(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse heads.safetensors where its numbers cannot be those of an LE.

    Raises:
        DataError: a tensor is missing, NaN or infinite, of another dtype or shape, or an index is
            of no word.
    """
    for name in (*FLOATS, *INTEGERS):
        if name not in tensors:
            raise DataError(f"{path}: tensor {name!r} is missing")
    n_items, n_words = len(tensors["item_tokens"]), tensors["word_ids"].numel()
    shapes = {
        "item_tokens": (n_items, tensors["item_tokens"].shape[-1]),
        "item_features": (n_items, tensors["item_features"].shape[-1]),
        "word_weights": (n_words,),
        "word_ids": (n_words,),
        "word_offsets": (n_items,),
        "reward_mean": (),
        "reward_sd": (),
    }
    own = {name: tensors[name] for name in shapes}
    check_shapes(path, own, shapes, INTEGERS)
    for name in ("item_tokens", "item_features"):
        if not bool(tensors[name].any()):
            raise DataError(f"{path}: tensor {name!r} holds nothing but zeros")
    if not float(tensors["reward_sd"]) > 0:
        raise DataError(f"{path}: reward_sd is {float(tensors['reward_sd'])}, and must be above 0")
    _check_words(path, tensors["word_ids"].long(), tensors["word_offsets"].long())


def _check_words(path: Path, ids: Tensor, offsets: Tensor) -> None:
    """Item i owns the words from its offset to the next; see :class:`ItemWords`."""
    ends = [*offsets[:1].tolist(), *offsets[-1:].tolist()]
    if not ends or ends[0] != 0 or ends[1] > len(ids) or bool((offsets.diff() < 0).any()):
        raise DataError(f"{path}: tensor 'word_offsets' does not divide {len(ids)} words")
    if bool((ids < 0).any()):
        raise DataError(f"{path}: tensor 'word_ids' has a negative number")


def check_restored(
    path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> None:
    """Refuse heads that do not fit the LE which the rest of its folder describes.

    Args:
        path: of heads.safetensors.
        tensors: what it holds.
        expected: tensors of the names and shapes that belong there.

    Raises:
        DataError: a tensor is missing, new or of another shape.
    """
    check_shapes(path, tensors, {name: tuple(value.shape) for name, value in expected.items()})


def check_adapter(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse an adapter whose own description is not that of the LE.

    Raises:
        DataError: rank or alpha differ, or the description is missing or damaged.
    """
    path = folder / ADAPTER_CONFIG
    with reading(path):
        described = read_json(path)
        for ours, theirs in (("lora_rank", "r"), ("lora_alpha", "lora_alpha")):
            if described[theirs] != config[ours]:
                raise DataError(
                    f"{path}: {theirs} is {described[theirs]!r}, and config.json of the LE says "
                    f"{ours} {config[ours]!r}; copy the folder again from where it came"
                )


def check_acceptance(path: Path, record: Mapping[str, Any]) -> None:
    """Refuse a calibrated acceptance that no calibration gives, if there is one.

    Raises:
        DataError: its slope is negative, its rate no probability, or a number of it is none.
    """
    acceptance = record.get("acceptance")
    if acceptance is None:
        return
    slope, shown, rate = acceptance["slope"], acceptance["shown"], acceptance.get("rate", 0.5)
    sound = shown and slope >= 0 and all(map(math.isfinite, [slope, *shown])) and 0 < rate < 1
    if not sound:
        raise DataError(
            f"{path}: the acceptance in its record (slope {slope!r}, rate {rate!r}) is not one "
            "that calibration gives; copy the folder again from where it came"
        )
