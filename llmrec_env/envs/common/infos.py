"""Converts ``info`` between columns over N rows, Gymnasium's vector form, and single rows.

In the vector form the value of a row under ``key`` holds where ``infos["_key"]`` is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray


class NumericInfo(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Leaves numbers alone in ``info``, for libraries that store it: TorchRL, Minari.

    Texts and lists of texts are left out, and the entries of a dictionary stand beside it:
    ``rewards_shown`` for ``rewards["shown"]``. Every value is an array, of one shape and dtype
    throughout, as far as the environment's are.

    Args:
        env: any environment.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """As the environment."""
        observation, info = self.env.reset(**kwargs)
        return observation, numbers_within(info)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As the environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, numbers_within(info)


class VectorNumericInfo(gym.vector.VectorWrapper, gym.utils.RecordConstructorArgs):
    """:class:`NumericInfo` for a vector environment; ``final_obs`` and the like stay.

    TorchRL needs it for a batch of environments that reset in the step that ends an episode
    (``autoreset="same_step"``).

    Args:
        env: any vector environment.
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)

    @property
    def autoreset_mode(self) -> Any:
        """How finished rows start again, which TorchRL asks for by this name."""
        return self.env.metadata.get("autoreset_mode")

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """As the environment."""
        observations, infos = self.env.reset(**kwargs)
        return observations, columns_of_numbers(infos)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """As the environment."""
        *seen, infos = self.env.step(actions)
        observations, rewards, terminated, truncated = seen
        return observations, rewards, terminated, truncated, columns_of_numbers(infos)


def columns_of_numbers(infos: dict[str, Any], before: str = "") -> dict[str, Any]:
    """The numbers of Gymnasium's vector form with their masks, those of dictionaries beside."""
    found: dict[str, Any] = {}
    for name in [name for name in infos if not name.startswith("_")]:
        column, mask = infos[name], infos.get(f"_{name}")
        if name in ("final_obs", "final_info"):
            found[name] = columns_of_numbers(column) if isinstance(column, dict) else column
        elif isinstance(column, dict):
            found |= columns_of_numbers(column, f"{before}{name}_")
            continue
        elif np.asarray(column).dtype.kind in "biuf":
            found[before + name] = column
        else:
            continue
        if mask is not None:
            found[f"_{before}{name}"] = mask
    return found


def numbers_within(info: dict[str, Any], before: str = "") -> dict[str, Any]:
    """The numbers of an info as arrays, those of dictionaries beside them."""
    found: dict[str, Any] = {}
    for name, value in info.items():
        if isinstance(value, dict):
            found |= numbers_within(value, f"{before}{name}_")
        elif isinstance(value, (bool, int, float, np.generic, np.ndarray)):
            array = np.asarray(value)
            if array.dtype.kind in "biuf":
                found[before + name] = array
    return found


Columns = dict[str, Any]
"""N values by name, or further dictionaries of them."""


def with_masks(columns: Columns, rows: BoolArray) -> Columns:
    """The columns in Gymnasium's vector form: each ``key`` with the mask ``_key`` of its rows."""
    masked: Columns = {}
    for name, column in columns.items():
        masked[name] = with_masks(column, rows) if isinstance(column, dict) else column
        masked[f"_{name}"] = rows
    return masked


def row_infos(infos: Columns, num_rows: int) -> list[dict[str, Any]]:
    """What Gymnasium's vector form says about each row: the values whose masks are true."""
    rows: list[dict[str, Any]] = [{} for _ in range(num_rows)]
    for name, column in infos.items():
        if not name.startswith("_"):
            values = _values(column, num_rows)
            for row in np.flatnonzero(infos[f"_{name}"]).tolist():
                rows[row][name] = values[row]
    return rows


def row_of(columns: Columns, row: int) -> dict[str, Any]:
    """One row of columns without masks, as plain Python values."""
    return {name: _value(column, row) for name, column in columns.items()}


def objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """Any objects, an element each: ``np.array`` would make a table of tuples of one length."""
    return np.fromiter(values, dtype=object, count=len(values))


def _value(column: Any, row: int) -> Any:
    if isinstance(column, dict):
        return row_of(column, row)
    value = column[row]
    return value.item() if isinstance(value, np.generic) else value


def _values(column: Any, num_rows: int) -> Sequence[Any]:
    """A column's values as plain Python, an array for each row where it has more axes."""
    if isinstance(column, dict):
        return row_infos(column, num_rows)
    return column.tolist() if getattr(column, "ndim", 0) == 1 else list(column)
