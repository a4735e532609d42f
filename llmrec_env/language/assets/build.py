"""Builds the LE that ships with the package: ``python -m llmrec_env.language.assets.build``.

The LE learns from the training users of the generated world of seed 0, split by user with seed 0,
and is stored as bfloat16. Anyone can run it again; on one machine the same seed gives the same
files.
"""

from __future__ import annotations

from pathlib import Path

import torch

from llmrec_env.common.progress import console
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.language.fitting import FitConfig, fit_language_environment
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.lm.small_model import SmallModelConfig

FOLDER = Path(__file__).parent / "generated_world"
LARGEST = 3_000_000  # bytes that the package may carry


CONFIG = FitConfig(small_model=SmallModelConfig(vocabulary=1024), learning=LearningConfig(epochs=6))


def build(folder: Path = FOLDER) -> int:
    """Learn the LE and save it; returns its size in bytes."""
    split = split_by_user(generate_world(seed=0).log, seed=0)
    model = fit_language_environment(split.train, split.validation, config=CONFIG, users=split.test)
    model.save_pretrained(folder, dtype=torch.bfloat16)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    size = build()
    console.print(f"{FOLDER}: {size / 1e6:.2f} MB", markup=False)
    if size > LARGEST:
        raise SystemExit(f"the embedded LE must stay under {LARGEST / 1e6:.0f} MB")
