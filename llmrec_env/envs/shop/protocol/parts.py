"""What a protocol is made of: a record of its catalogue, and the goals of each split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import listed, shown

NAMES = ("train", "validation", "test")
HEX = 64


@dataclass(frozen=True)
class CatalogueRecord:
    """The products of a protocol.

    Attributes:
        generated: how many products to generate; None where they are read from files.
        n_products: how many there are.
        sha256: of their content, by :func:`~llmrec_env.envs.shop.protocol.content.catalogue_hash`.
    """

    generated: int | None
    n_products: int
    sha256: str


def read_record(values: Any) -> CatalogueRecord:
    """The record that JSON values are.

    Raises:
        SettingError, TypeError: they are none.
    """
    record = CatalogueRecord(**values)
    check_whole("n_products", record.n_products, 1)
    if record.generated is not None:
        check_whole("generated", record.generated, 1)
    if not isinstance(record.sha256, str) or len(record.sha256) != HEX:
        raise SettingError(f"sha256 must have {HEX} hex digits, got {shown(record.sha256)}")
    return record


def check_splits(splits: Mapping[str, tuple[int, ...]], n_goals: int) -> None:
    """Refuse splits that are not three, share a goal, or name one that there is not.

    Raises:
        SettingError: something is so.
    """
    if set(splits) != set(NAMES):
        raise SettingError(f"splits must be {', '.join(NAMES)}, got {listed(splits)}")
    every = [index for own in splits.values() for index in own]
    if not all(type(index) is int and 0 <= index < n_goals for index in every):
        raise SettingError(f"splits must hold indices of {n_goals} goals, from 0")
    if len(set(every)) != len(every):
        raise SettingError("splits: a goal is in two of them, or twice in one")
    if not splits["test"]:
        raise SettingError("splits: no test goal; there must be one at least")


def same_value(value: Any, fixed: Any) -> bool:
    """Whether a value that a caller gave is the fixed one; True is not 1."""
    return type(value) is not bool and isinstance(value, type(fixed)) and value == fixed
