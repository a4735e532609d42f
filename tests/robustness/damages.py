"""Ways in which a saved folder is damaged or tampered with, each made the same way every time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:ab12\nsize 1234\n"
Damage = Callable[[Path], None]


def damages(folder: Path) -> Iterator[tuple[str, str, Damage]]:
    """All damages of a folder: a name, the file and what does it to a copy of the folder."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        kinds = dict(OF_ANY_FILE)
        if path.suffix == ".safetensors":
            kinds |= OF_TENSORS
        elif path.suffix == ".json":
            kinds |= OF_JSON
        elif path.suffix == ".parquet":
            kinds |= OF_TABLES
        for kind, damage in kinds.items():
            yield f"{name}: {kind}", name, _at(name, damage)


def _at(name: str, damage: Damage) -> Damage:
    return lambda folder: damage(folder / name)


def _tensors(change: Callable[[dict[str, Tensor]], None]) -> Damage:
    def damage(path: Path) -> None:
        tensors = load_file(path)
        change(tensors)
        save_file({n: v.contiguous().clone() for n, v in tensors.items()}, path)

    return damage


def _json(change: Callable[[dict[str, Any]], None]) -> Damage:
    def damage(path: Path) -> None:
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    return damage


def _table(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Damage:
    def damage(path: Path) -> None:
        change(pl.read_parquet(path)).write_parquet(path)

    return damage


def _largest(tensors: dict[str, Tensor]) -> str:
    """The first name of the most numbers."""
    return max(sorted(tensors), key=lambda name: tensors[name].numel())


def _rename(tensors: dict[str, Tensor]) -> None:
    name = _largest(tensors)
    tensors[f"module.{name}"] = tensors.pop(name)


def _swap(tensors: dict[str, Tensor]) -> None:
    """Exchange the first two tensors of one form whose numbers differ."""
    for a, b in combinations(sorted(tensors), 2):
        one, other = tensors[a], tensors[b]
        alike = (one.shape, one.dtype) == (other.shape, other.dtype)
        if alike and not torch.equal(one, other):
            tensors[a], tensors[b] = other, one
            return


def _set(value: float) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        floats = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
        tensors[_largest(floats)].view(-1)[0] = value

    return change


def _put(change: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Tensor]], None]:
    def put(tensors: dict[str, Tensor]) -> None:
        floats = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
        name = _largest(floats)
        tensors[name] = change(tensors[name])

    return put


def _lower_rank(tensors: dict[str, Tensor]) -> None:
    for name, value in tensors.items():
        if "lora_A" in name:
            tensors[name] = value[:1]
        elif "lora_B" in name:
            tensors[name] = value[:, :1]


def _no_last_layer(tensors: dict[str, Tensor]) -> None:
    for name in [name for name in tensors if ".layers.1." in name]:
        del tensors[name]


def _reward_sd(value: float) -> Callable[[dict[str, Tensor]], None]:
    def change(tensors: dict[str, Tensor]) -> None:
        if "reward_sd" in tensors:
            tensors["reward_sd"] = torch.full_like(tensors["reward_sd"], value)

    return change


def _odd_numbers(value: Any) -> Any:
    """The same with every number one higher."""
    if isinstance(value, dict):
        return {name: _odd_numbers(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_odd_numbers(v) for v in value]
    return value + 1 if isinstance(value, int | float) and not isinstance(value, bool) else value


def _texts(value: Any) -> Any:
    """The same with every number as text."""
    if isinstance(value, dict):
        return {name: _texts(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_texts(v) for v in value]
    return str(value) if isinstance(value, int | float) else value


OF_ANY_FILE: dict[str, Damage] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "without its last byte": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "a pointer": lambda path: path.write_text(POINTER),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "a folder": lambda path: (path.unlink(), path.mkdir())[1],
}
OF_TENSORS: dict[str, Damage] = {
    "a tensor missing": _tensors(lambda t: t.__delitem__(_largest(t))),
    "all tensors missing": _tensors(lambda t: t.clear()),
    "a tensor renamed": _tensors(_rename),
    "a tensor too many": _tensors(lambda t: t.update(more=torch.ones(2))),
    "two tensors exchanged": _tensors(_swap),
    "a NaN": _tensors(_set(float("nan"))),
    "an infinity": _tensors(_set(float("inf"))),
    "a number changed": _tensors(_set(0.5)),
    "zeros": _tensors(_put(torch.zeros_like)),
    "another dtype": _tensors(_put(lambda v: v.to(torch.float16))),
    "integers": _tensors(_put(lambda v: v.to(torch.int32))),
    "one row fewer": _tensors(_put(lambda v: v[:-1])),
    "transposed": _tensors(_put(lambda v: v.T)),
    "a scalar": _tensors(_put(lambda v: v.flatten()[0])),
    "a lower rank": _tensors(_lower_rank),
    "a layer fewer": _tensors(_no_last_layer),
    "a standard deviation of 0": _tensors(_reward_sd(0.0)),
    "a negative standard deviation": _tensors(_reward_sd(-1.0)),
}
OF_JSON: dict[str, Damage] = {
    "a list": lambda path: path.write_text("[1, 2]"),
    "nothing": lambda path: path.write_text("{}"),
    "other numbers": _json(lambda value: value.update(_odd_numbers(value))),
    "numbers as text": _json(lambda value: value.update(_texts(value))),
    "half of the keys": _json(
        lambda value: [value.pop(name) for name in sorted(value)[::2]] and None
    ),
    "the other half": _json(
        lambda value: [value.pop(name) for name in sorted(value)[1::2]] and None
    ),
    "all empty": _json(lambda value: value.update(dict.fromkeys(value))),
}
OF_TABLES: dict[str, Damage] = {
    "turned round": _table(lambda table: table.reverse()),
    "a row fewer": _table(lambda table: table.head(-1)),
    "a row twice": _table(lambda table: pl.concat([table, table.head(1)])),
    "no rows": _table(lambda table: table.clear()),
    "another text": _table(lambda table: table.with_columns(pl.all().cast(pl.String) + "x")),
    "other columns": _table(lambda table: table.rename({n: n + "x" for n in table.columns})),
    "a column fewer": _table(lambda table: table.select(table.columns[:-1])),
}
