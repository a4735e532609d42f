"""``require``: imports an optional dependency on first use, or names the extra to install."""

from __future__ import annotations

import contextlib
import importlib
import io
from types import ModuleType

from llmrec_env.common.errors import MissingExtraError

ALONE = ("openenv", "verifiers")
"""Extras that want other versions of libraries than the rest of this package is tested with."""


def require(module: str, extra: str) -> ModuleType:
    """Import ``module``, which the extra ``extra`` of this package brings.

    Raises:
        MissingExtraError: the module is not installed; the message says how to install it.
    """
    try:
        # d3rlpy and stable-baselines3 import gym, which prints that it is outdated
        with contextlib.redirect_stderr(io.StringIO()):
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.split(".")[0] != error.name.split(".")[0]:
            raise
        raise MissingExtraError(f"{module} is not installed; {_mend(extra)}") from error


def _mend(extra: str) -> str:
    """How to install what an extra brings."""
    command = f'pip install "llmrec-env[{extra}]"'
    if extra not in ALONE:
        return f"it comes with the extra '{extra}': {command}"
    return (
        "it needs an environment of its own, since it does not install beside the other extras: "
        f"`python examples/other_libraries/make_venv.py {extra}` makes one from the source "
        f"({command} in a new environment without it)"
    )
