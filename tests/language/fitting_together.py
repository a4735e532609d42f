"""What each of two processes does for the tests: ``fitting_together.py SCENE FOLDER``."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tiny_models import TINY

from llmrec_env.common import processes, progress, training
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.language import fitting, learning
from llmrec_env.language.fitting import fit_language_environment
from llmrec_env.language.lm import small_model
from llmrec_env.language.model import LanguageEnvironment

progress.DELAY = 0.0  # the bar of a fit that ends at once is looked for
CONFIG = replace(TINY, learning=replace(TINY.learning, epochs=2, min_steps=1))
MAIN = os.environ["RANK"] == "0"
FOR_MAIN = (
    *((fitting, name) for name in ("learn_item_tokens", "mean_outputs")),
    *((learning, name) for name in ("validate", "calibrate", "_set_normalisers")),
    (small_model, "_pretrain"),
    (training, "save_file"),
)


def main_only(*arguments: object, **settings: object) -> Any:
    """In place of what the main process does for all."""
    raise AssertionError("this is for the main process")


def fit(checkpoint: Path | None = None) -> LanguageEnvironment:
    """An LE of sixty items, learned by all processes."""
    torch.manual_seed(int(os.environ["RANK"]))  # what was drawn before must not matter
    split = split_by_user(generate_world(seed=0, n_items=60, n_users=80).log, seed=0)
    return fit_language_environment(
        split.train, split.validation, config=CONFIG, users=split.test, checkpoint=checkpoint
    )


def killed(folder: Path) -> None:
    """Learn until the second process dies in its seventh step, when much has been validated."""
    calls, losses = [], learning.batch_losses

    def dying(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 7 and not MAIN:
            os.kill(os.getpid(), signal.SIGKILL)
        return losses(*arguments)

    learning.batch_losses = dying
    fit(folder / "checkpoint")


def fitted(folder: Path) -> None:
    """Learn, save in one process, and write down what each process holds in the end."""
    whole = fit()
    with progress.hidden():
        resumed = fit(folder / "checkpoint")
    processes.on_main(lambda: whole.save_pretrained(folder / "le"))
    loaded = LanguageEnvironment.from_pretrained(folder / "le")
    rank = processes.rank()
    for name, model in (("whole", whole), ("resumed", resumed), ("loaded", loaded)):
        torch.save(model.state_dict(), folder / f"{name}_{rank}.pt")
        (folder / f"{name}_{rank}.json").write_text(json.dumps(model.record, sort_keys=True))


if __name__ == "__main__":
    if not MAIN:
        for module, name in FOR_MAIN:
            setattr(module, name, main_only)
    {"killed": killed, "fitted": fitted}[sys.argv[1]](Path(sys.argv[2]))
