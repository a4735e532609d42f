"""Checks item indices that a library hands on as floats."""

from __future__ import annotations

from torch import Tensor

from llmrec_env.common.errors import SettingError


def as_item_indices(values: Tensor, n_items: int, suspect: str) -> Tensor:
    """Item indices, int64, of any shape; ``n_items`` pads.

    Args:
        values: indices as floats or integers.
        n_items: size of the catalogue.
        suspect: what may have scaled them, for the error.

    Raises:
        SettingError: they are no whole numbers in [0, n_items].
    """
    items = values.long()
    sound = (items == values) & (items >= 0) & (items <= n_items)
    if not bool(sound.all()):
        raise SettingError(
            f"a history holds {float(values[~sound][0])}, which is the index of no item: something "
            f"such as {suspect} has scaled the observations; item indices must come as they are"
        )
    return items
