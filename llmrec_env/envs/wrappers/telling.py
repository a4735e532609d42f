"""Adds to the infos of N rows, in Gymnasium's vector form: :mod:`llmrec_env.envs.common.infos`."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.common.arrays import BoolArray
from llmrec_env.envs.common.infos import Columns


def told(infos: Columns, columns: Columns, rows: BoolArray, starting: BoolArray) -> Columns:
    """The infos with further columns; a name that is there already stays as it is.

    Args:
        infos: of a reset or step.
        columns: N numbers by name, or dictionaries of them, which join those of the same name.
        rows: bool (N,), the rows that they are told of.
        starting: bool (N,), those that have just started an episode: their numbers are 0, and stand
            in ``final_info`` where there is one.
    """
    result = _joined(infos, _zero(columns, starting), rows)
    if "final_info" in infos:
        result["final_info"] = _joined(infos["final_info"], columns, infos["_final_info"])
    return result


def _joined(infos: Columns, columns: Columns, rows: BoolArray) -> Columns:
    result = dict(infos)
    for name, column in columns.items():
        if isinstance(column, dict):
            result[name] = _joined(infos.get(name, {}), column, rows)
        elif name not in infos:
            result[name] = column
        result[f"_{name}"] = rows
    return result


def _zero(columns: Columns, rows: BoolArray) -> Columns:
    return {name: _zeroed(column, rows) for name, column in columns.items()}


def _zeroed(column: Any, rows: BoolArray) -> Any:
    return _zero(column, rows) if isinstance(column, dict) else np.where(rows, 0.0, column)
