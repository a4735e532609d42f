"""Loads a saved model of stable-baselines3 or sb3-contrib; its file does not say of which kind."""

from __future__ import annotations

import json
import os
import zipfile
from typing import Any

from llmrec_env.common.errors import DataError
from llmrec_env.common.extras import require
from llmrec_env.common.files import local_path
from llmrec_env.evaluation.policies import SB3Policy

KINDS = (
    ("MaskablePPO", "sb3_contrib", "maskable", "clip_range"),
    ("RecurrentPPO", "sb3_contrib", "recurrent", "clip_range"),
    ("TRPO", "sb3_contrib", "", "cg_max_steps"),
    ("QRDQN", "sb3_contrib", "qrdqn", "exploration_rate"),
    ("DQN", "stable_baselines3", "", "exploration_rate"),
    ("PPO", "stable_baselines3", "", "clip_range"),
    ("A2C", "stable_baselines3", "", "gae_lambda"),
)
"""Each kind, its package, a part of its policy's or its buffer's module, and a setting that it has;
the first that fits."""


def load_sb3(path: str | os.PathLike[str]) -> SB3Policy:
    """A saved model as a policy that scores items.

    Like all models of stable-baselines3 it is unpickled: load only files of people you trust.

    Args:
        path: what ``model.save`` wrote, with its ``.zip``.

    Raises:
        DataError: it is no such file, or one of a kind that scores no items.
        SettingError: the model learned behind a wrapper that its file does not hold, or is
            recurrent.
    """
    file = local_path(path, "model")
    try:
        with zipfile.ZipFile(file) as archive:
            data = json.loads(archive.read("data"))
        module = str(data["policy_class"]["__module__"])
        buffer = data.get("rollout_buffer_class") or {"__module__": ""}
        modules = f"{module} {buffer['__module__']}"
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError):
        raise DataError(
            f"{file}: no saved model of stable-baselines3 (a .zip that model.save wrote)"
        ) from None
    for name, package, part, setting in KINDS:
        if part in modules and setting in data:
            kind: Any = getattr(require(package, "sb3"), name)
            return SB3Policy(kind.load(file, device="cpu"))
    raise DataError(f"{file}: a model whose policy ({module}) does not score items")
