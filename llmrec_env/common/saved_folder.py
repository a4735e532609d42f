"""The manifest of a saved folder: what its files must hold to be what was saved.

It stands in the folder's own config.json: a line for each tensor of its safetensors files, a
fingerprint of every other file, and one of all that config.json says. ::

    "manifest": {
      "settings": "8ad5f0...",
      "files": {"catalogue.parquet": "03f1c2..."},
      "tensors": {"heads.safetensors": {"reward_sd": "float32 [] 3d10f2..."}}
    }
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.files import fingerprint, read_json, refuse_loss, write_json
from llmrec_env.common.tensor_files import check_lines, read_tensors, refuse_pointer, tensor_lines

CONFIG = "config.json"
MANIFEST = "manifest"
CARD, CARD_REPORT, MODEL_CARD = "card.json", "card", "README.md"
"""What `llmrec card` puts beside a saved simulator: measured of it, and no part of it."""
BY_CARD = "<!-- made by llmrec card -->"
"""Stands in a model card of its making, which may be made again."""


def write_described(
    folder: Path,
    settings: Mapping[str, Any],
    free: Collection[str] = (),
    about: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the config.json of a folder that is complete but for it, with the manifest.

    Args:
        folder: what the manifest is to speak of.
        settings: what config.json says beside the manifest.
        free: keys of ``settings`` that may change later.
        about: what else the manifest is to say.
    """
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    weights = [name for name in names if name.endswith(".safetensors")]
    manifest: dict[str, Any] = {
        "files": {n: _file_fingerprint(folder / n) for n in names if n not in [CONFIG, *weights]},
        "tensors": {name: tensor_lines(read_tensors(folder / name)) for name in weights},
        **about,
    }
    manifest["settings"] = _settings_fingerprint(settings, manifest, free)
    write_json(folder / CONFIG, {**settings, MANIFEST: manifest})


def read_described(folder: Path) -> dict[str, Any]:
    """What :func:`write_described` was given, if the folder is as it was; one without a manifest
    passes.

    Raises:
        DataError: something in it is missing, damaged or exchanged.
    """
    config = read_config(folder)
    check_manifest(folder, config)
    return {name: value for name, value in config.items() if name != MANIFEST}


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json of a saved folder says.

    Raises:
        DataError: it is missing, or no JSON object.
    """
    path = folder / CONFIG
    refuse_pointer(path)
    config = read_json(path)
    if not isinstance(config, dict):
        raise DataError(f"{path} holds {type(config).__name__}, expected a JSON object")
    return config


def check_manifest(folder: Path, config: Mapping[str, Any], free: Collection[str] = ()) -> None:
    """Refuse a folder that is not what its manifest says; one without a manifest passes.

    Args:
        folder: the saved folder.
        config: what its config.json says.
        free: keys of it that may have changed.

    Raises:
        DataError: a file, a tensor or the settings are missing, damaged or exchanged.
    """
    manifest = config.get(MANIFEST)
    if manifest is None:
        return
    if not isinstance(manifest, dict) or manifest.get("settings") != _settings_fingerprint(
        config, manifest, free
    ):
        raise DataError(
            f"{folder / CONFIG}: what it says is not what was saved, so it would answer as "
            "another; copy it again from where it came"
        )
    for name, saved in manifest["tensors"].items():
        check_lines(folder / name, read_tensors(folder / name), saved)
    for name, saved in manifest["files"].items():
        if _file_fingerprint(folder / name) != saved:
            raise DataError(
                f"{folder / name} is not the file that was saved; copy it again from where it came"
            )


def may_replace_model_card(folder: Path) -> bool:
    """Whether nobody else wrote the README.md of a saved folder."""
    path = folder / MODEL_CARD
    return not path.exists() or BY_CARD in path.read_text(encoding="utf-8", errors="replace")


def cards_of(folder: Path) -> set[str]:
    """What `llmrec card` put beside a saved simulator, or may put there: it speaks of that alone,
    and may be made again. What somebody else keeps under such a name is not among it."""
    places = {
        CARD: _is_card(folder / CARD),
        CARD_REPORT: _is_card_report(folder / CARD_REPORT),
        MODEL_CARD: may_replace_model_card(folder),
    }
    return {name for name, ours in places.items() if ours}


def check_card_place(folder: Path, simulator: Path | None) -> None:
    """Refuse a folder in which a card would stand among, or replace, what is no card.

    Args:
        folder: where the card is to stand.
        simulator: folder of the simulator that it speaks of, beside whose files it may stand.

    Raises:
        SettingError: something else stands there.
    """
    ours = cards_of(folder)
    if simulator is not None and folder.is_dir() and folder.resolve() == simulator.resolve():
        ours |= {entry.name for entry in folder.iterdir()} - {CARD, CARD_REPORT}
    refuse_loss(folder, ours, "which `llmrec card` did not make")


def _is_card(path: Path) -> bool:
    return not path.exists() or {"format", "about", "acceptance"} <= set(_settings_in(path))


def _is_card_report(folder: Path) -> bool:
    """By the config.json of the report, which is its first file."""
    if folder.is_dir() and not any(folder.iterdir()):
        return True
    command = _settings_in(folder / CONFIG).get("command")
    return not folder.exists() or command == "" or str(command).startswith("llmrec card ")


def _settings_in(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none."""
    try:
        found = read_json(path)
    except (OSError, DataError):
        return {}
    return found if isinstance(found, dict) else {}


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what other libraries say of a damaged file into one error that names it.

    Raises:
        DataError: the block raised one that does not name the file, or no error of ours.
    """
    try:
        yield
    except DataError as error:
        if str(path) in str(error):
            raise
        raise DataError(f"{path}: {error}") from error
    except (LLMRecError, ImportError, MemoryError):
        raise
    except Exception as error:  # they raise what they like
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise DataError(
            f"{path} is damaged or of something else ({type(error).__name__}: {reason}); "
            "copy it again from where it came"
        ) from error


def _settings_fingerprint(
    settings: Mapping[str, Any], manifest: Mapping[str, Any], free: Collection[str]
) -> str:
    """Of what config.json says, of the other files too, but for what may change."""
    kept = {name: value for name, value in settings.items() if name not in (MANIFEST, *free)}
    others = {name: value for name, value in manifest.items() if name != "settings"}
    return fingerprint([json.dumps([kept, others], sort_keys=True)])


def _file_fingerprint(path: Path) -> str:
    """A file's fingerprint; the line ends of texts, which version control may change, are one."""
    refuse_pointer(path)
    content = path.read_bytes()
    return fingerprint([content.replace(b"\r\n", b"\n") if path.suffix == ".json" else content])
