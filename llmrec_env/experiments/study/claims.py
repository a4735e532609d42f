"""Whose folder a folder is: of which study, settings and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import read_json, refuse_others, write_json
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.source import log_fingerprint

COMMANDS = {
    "study.json": "llmrec bench",
    "sensitivity.json": "llmrec bench sensitivity",
    "offline.json": "llmrec bench offline",
}
"""The file in which each kind of study writes down whose its folder is."""


def claim(
    out: Path, name: str, settings: Mapping[str, Any], log: InteractionLog, **contents: str
) -> None:
    """Write down whose folder this is, or refuse it.

    Args:
        out: the folder.
        name: a file of :data:`COMMANDS`.
        settings: what makes the numbers of the study.
        log: what it is a study of.
        contents: fingerprints of what else it is a study of, by what that is.

    Raises:
        SettingError: the folder holds a study of another kind, of other settings or of other data,
            or something else, or it is a file.
    """
    for other, command in COMMANDS.items():
        if other != name and (out / other).exists():
            raise SettingError(
                f"{out} is a folder of `{command}`, whose results would be lost; name another "
                "folder with --out"
            )
    refuse_others(out, name)
    path = out / name
    contents["log"] = log_fingerprint(log)
    now = json.loads(json.dumps({**settings, **contents}))
    if path.exists() and (before := read_json(path)) != now:
        differing = ", ".join(
            f"another {key.replace('_', ' ')}"
            if key in contents
            else f"{key}={before.get(key)!r} instead of {value!r}"
            for key, value in now.items()
            if before.get(key) != value
        )
        raise SettingError(
            f"{out} holds a study with other settings ({differing}); repeat those it was made with "
            "to continue it, or name another folder with --out"
        )
    write_json(path, now)
