"""Checks of what callers pass to the environments: actions, options, seeds, masks, modes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import InvalidAction

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import shown
from llmrec_env.envs.common.rendering import MODES

AUTORESETS = {"next_step": "NEXT_STEP", "same_step": "SAME_STEP", "disabled": "DISABLED"}
"""Our names, alike on every gymnasium, and those of the enum that gymnasium 1.1 brought."""


class RenderModeError(SettingError, TypeError):
    """There is no such render mode.

    A TypeError too: ``make_vec_env`` of stable-baselines3 tries ``"rgb_array"`` with every
    environment and does without when that raises one.
    """


def check_choices(actions: Any, num_rows: int, n_choices: int, what: str) -> IntArray:
    """One choice out of ``n_choices`` for each row, as int64 (num_rows,).

    Raises:
        InvalidAction: they have another shape, are no integers, or one is out of range.
    """
    array = np.asarray(actions)
    fits = array.shape == (num_rows,) and array.dtype.kind in "iu"
    if not fits or not 0 <= array.min() <= array.max() < n_choices:
        rows = "" if num_rows == 1 else f" for each of {num_rows} rows"
        raise InvalidAction(
            f"expected {what}, an integer in [0, {n_choices}){rows}; got {shown(actions)}"
        )
    return array.astype(np.int64)


def check_options(options: dict[str, Any] | None, *names: str) -> dict[str, Any]:
    """The options of a reset, which must have one of ``names``."""
    for name in options or {}:
        if name not in names:
            raise SettingError(f"unknown reset option {name!r}; there is {', '.join(names)}")
    return options or {}


def check_name(name: str, value: Any, names: Collection[str], *others: str) -> str:
    """One of several names; ``others`` say what else the caller could have passed."""
    if not isinstance(value, str) or value not in names:
        choice = " or ".join([f"one of {tuple(names)}", *others])
        raise SettingError(f"{name} must be {choice}, got {shown(value)}")
    return value


def check_flag(name: str, value: Any) -> bool | None:
    """True, False or None."""
    if value is not None and not isinstance(value, (bool, np.bool_)):
        raise SettingError(f"{name} must be True, False or None, got {shown(value)}")
    return None if value is None else bool(value)


def check_render_mode(render_mode: str | None) -> str | None:
    """The render mode, which must be None or one of those that exist."""
    known = isinstance(render_mode, str) and render_mode in MODES
    if render_mode is not None and not known:
        raise RenderModeError(
            f"render_mode must be None or one of {MODES}, got {shown(render_mode)}"
        )
    return render_mode


def check_autoreset(autoreset: str) -> str:
    """The name of an auto-reset mode, which must be one of those that exist."""
    return check_name("autoreset", autoreset, AUTORESETS)


def autoreset_metadata(autoreset: str) -> dict[str, Any]:
    """What gymnasium 1.1 and later look for; nothing on 1.0, which has no such enum."""
    modes = getattr(gym.vector, "AutoresetMode", None)
    return {} if modes is None else {"autoreset_mode": modes[AUTORESETS[autoreset]]}


def check_limit(max_episode_steps: int | None) -> int | None:
    """The time limit: None, or at least 1. As in ``gym.make``, -1 is no limit."""
    if max_episode_steps is None or max_episode_steps == -1:
        return None
    whole = isinstance(max_episode_steps, (int, np.integer))
    if not whole or isinstance(max_episode_steps, bool) or max_episode_steps < 1:
        raise SettingError(
            "max_episode_steps must be at least 1 and whole, or None (or -1) for no limit; "
            f"got {shown(max_episode_steps)}"
        )
    return int(max_episode_steps)


def check_per_row(name: str, values: Sequence[Any] | None, num_rows: int) -> list[Any]:
    """One value a row; None stands for None in every row."""
    if values is None:
        return [None] * num_rows
    if isinstance(values, str) or np.ndim(values) != 1 or len(values) != num_rows:
        raise SettingError(
            f"{name} must have one value for each of {num_rows} rows: {shown(values)}"
        )
    return list(values)


def check_seed(seed: int | None) -> int | None:
    """A seed: None, or a whole number of at least 0."""
    if seed is None:
        return None
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise SettingError(
            f"a seed must be a whole number of at least 0, or None to go on; got {shown(seed)}"
        )
    return int(seed)


def check_seeds(seed: int | Sequence[int | None] | None, num_rows: int) -> list[int | None]:
    """A seed a row: ``s`` means ``s + i`` for row ``i``."""
    if isinstance(seed, (int, np.integer)):
        first = check_seed(seed)
        assert first is not None
        return [first + row for row in range(num_rows)]
    return [check_seed(value) for value in check_per_row("seed", seed, num_rows)]


def check_mask(mask: Any, num_rows: int) -> BoolArray:
    """The rows to reset, bool (num_rows,), at least one; None means all of them."""
    if mask is None:
        return np.ones(num_rows, dtype=np.bool_)
    array = np.asarray(mask)
    if array.shape != (num_rows,) or array.dtype != np.bool_ or not array.any():
        raise SettingError(
            f"options['reset_mask'] must be a bool array of {num_rows} rows, true at least once; "
            f"got {shown(mask)}"
        )
    return array
