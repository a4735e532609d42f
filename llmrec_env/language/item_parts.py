"""What each part of an LE carries, so that none stays that makes it worse.

An item's feature is its text's plus a vector of its own, and both are learned together. Afterwards
validation users are told with both and with each alone, so that the whole is never worse than the
texts alone would be. The same is asked of what states tell of the long run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from llmrec_env.language.model import LanguageEnvironment


@torch.no_grad()
def measure_parts(
    model: LanguageEnvironment, both: Mapping[str, float], measure: Callable[[], dict[str, float]]
) -> dict[str, Any]:
    """What both parts and each alone come to; nothing where items have no vectors of their own.

    Args:
        model: a learned LE.
        both: what they say of it as it is, which learning measured.
        measure: what validation users say of it as it stands, "progress" among its values.

    Returns:
        ``share_of_ids``, in [0, 1]: the items' own vectors in the squared lengths of these and of
        the texts' features; and the measures of ``both``, of ``text`` and of ``ids``.
    """
    ids = model.heads.id_correction
    if ids is None:
        return {"share_of_ids": 0.0}
    own, text = float(ids.square().sum()), float(model.item_features.square().sum())
    found: dict[str, Any] = {"share_of_ids": own / (own + text)}
    with _zero(ids):
        found["text"] = measure()
    found["both"] = {name: both[name] for name in found["text"]}
    with _zero(model.item_features, model.heads.word_correction):
        found["ids"] = measure()
    return found


@torch.no_grad()
def keep_what_helps(model: LanguageEnvironment, found: dict[str, Any]) -> None:
    """Forget the items' own vectors where their texts alone tell validation users better.

    Args:
        model: the LE measured.
        found: of :func:`measure_parts`; what is kept is told in it as ``kept``.
    """
    if "both" not in found:
        return
    alone = found["text"]["progress"] > found["both"]["progress"]
    found["kept"] = "text" if alone else "both"
    if alone and model.heads.id_correction is not None:
        model.heads.id_correction.zero_()


@torch.no_grad()
def measure_long_run(
    model: LanguageEnvironment, both: Mapping[str, float], measure: Callable[[], dict[str, float]]
) -> dict[str, Any] | None:
    """What states come to with and without what users like in the long run; None where they never
    tell it.

    Arguments are those of :func:`measure_parts`; what is better is told as ``kept``.
    """
    if not model.heads.long_run:
        return None
    with _zero(model.heads.long_map):
        without = measure()
    told = {name: both[name] for name in without}
    kept = "with" if told["progress"] >= without["progress"] else "without"
    return {"with": told, "without": without, "kept": kept}


@torch.no_grad()
def forget_long_run(model: LanguageEnvironment, found: Mapping[str, Any] | None) -> None:
    """Let states tell only what users took lately, where that is better."""
    if found is not None and found["kept"] == "without":
        model.heads.long_map.zero_()


@contextmanager
def _zero(*tensors: Tensor) -> Iterator[None]:
    """Some tensors are zero for a while."""
    kept = [tensor.clone() for tensor in tensors]
    for tensor in tensors:
        tensor.zero_()
    try:
        yield
    finally:
        for tensor, own in zip(tensors, kept, strict=True):
            tensor.copy_(own)
