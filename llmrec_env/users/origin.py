"""``Origin``: where the LE of simulated users was loaded from, which stands for it in a pickle."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.saved_folder import MANIFEST, read_config
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.saving import saved_fingerprint

EMBEDDED = Path(__file__).parents[1] / "language" / "assets" / "generated_world"


@dataclass(frozen=True)
class Origin:
    """The folder of a saved LE, and how it was loaded to answer.

    Attributes:
        folder: absolute, or None for the LE that ships with the package, which another machine may
            have elsewhere.
        fingerprint: what tells the saved LE from others.
        device, dtype: as :meth:`LanguageEnvironment.from_pretrained` takes them.
    """

    folder: Path | None
    fingerprint: str
    device: str
    dtype: str

    @classmethod
    def of(
        cls, folder: str | os.PathLike[str], device: str | torch.device, dtype: str | torch.dtype
    ) -> Origin:
        """The origin of an LE that is about to be loaded."""
        path = Path(folder).expanduser().absolute()
        named = str(dtype).removeprefix("torch.")
        known = None if path == EMBEDDED.absolute() else path
        return cls(known, _fingerprint(path), str(device), named)

    @property
    def place(self) -> Path:
        """The folder, on this machine."""
        return EMBEDDED if self.folder is None else self.folder

    def open(self) -> LanguageEnvironment:
        """Load the LE again.

        Raises:
            SimulatorError: the folder is not there, or holds another LE by now.
        """
        folder = self.place
        if _fingerprint(folder) != self.fingerprint:
            raise SimulatorError(
                f"{folder} does not hold the language environment that the pickled users were "
                "loaded from; put it back, or pickle users of the one that stands there now"
            )
        return LanguageEnvironment.from_pretrained(folder, self.device, self.dtype, fold=True)


def _fingerprint(folder: Path) -> str:
    """What the manifest of a saved LE says of the whole of it, else a fingerprint of its files."""
    config = folder / "config.json"
    if not config.is_file():
        return ""
    manifest = read_config(folder).get(MANIFEST)
    return (
        str(manifest.get("settings")) if isinstance(manifest, dict) else saved_fingerprint(folder)
    )
