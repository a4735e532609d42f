"""What each of two processes does for the tests: ``learning_together.py SCENE FOLDER``."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from test_training import CONFIG, Line
from torch import Tensor, nn

from llmrec_env.common import processes, training
from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.training import train


def line() -> Line:
    """A line whose first weights differ from process to process: those of the main one count."""
    module = Line()
    nn.init.constant_(module.line.weight, float(processes.rank()))
    return module


def fit(folder: Path | None = None, run: str = "", **settings: Any) -> dict[str, Any]:
    """Learn with a metric that processes would disagree on; what came of it."""
    module, asked = line(), []

    def evaluate() -> dict[str, float]:
        asked.append(processes.count())
        return {"made up": math.sin(len(asked)) + 10 * int(os.environ["RANK"])}

    history = train(
        module,
        module.loss,
        replace(CONFIG, **settings),
        evaluate=evaluate if folder is None else module.score,
        metric="made up" if folder is None else "closeness",
        folder=folder,
        run=run,
    )
    return {"weights": weights(module), "history": asdict(history), "asked": asked}


def weights(module: Line) -> list[float]:
    """All that was learned."""
    return [*module.line.weight.flatten().tolist(), *module.line.bias.tolist()]


def killed(folder: Path) -> None:
    """Learn until the second process dies."""
    module = line()

    def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
        if number == 2 * 11 + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return module.loss(number, rng)

    train(module, loss, CONFIG, evaluate=module.score, metric="closeness", folder=folder / "run")


def twins(folder: Path) -> dict[str, Any]:
    """Each batch touches one of two parts; a third is never touched."""
    parts = nn.ModuleList([Line(), Line(), Line()])

    def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
        part = parts[number // 2 % 2]
        assert isinstance(part, Line)
        return part.loss(number, rng)

    train(parts, loss, CONFIG)
    return {"weights": [weights(part) for part in parts]}  # type: ignore[arg-type]


def told(call: Callable[[], object]) -> str:
    """The error that a call raises."""
    try:
        call()
    except LLMRecError as error:
        return str(error)
    return ""


def not_a_number() -> None:
    """A loss that is NaN in the second process only."""
    module = line()

    def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
        terms = module.loss(number, rng)
        return terms | {"broken": terms["bias"] + (math.nan if number == 2 * 5 + 1 else 0.0)}

    train(module, loss, CONFIG)


def on_main_in_error() -> None:
    """An error of the main process."""

    def fails() -> None:
        raise LLMRecError(f"process {os.environ['RANK']} of {processes.count()}")

    processes.on_main(fails)


def learned(folder: Path) -> dict[str, Any]:
    """Everything else, one after the other."""
    mean = processes.mean(torch.tensor([float(processes.rank()), 4.0]))
    return {
        "place": [processes.rank(), processes.count(), processes.is_main()],
        "mean": mean.tolist(),
        "main says": processes.on_main(lambda: [processes.rank(), os.environ["RANK"]]),
        "whole": fit(folder / "whole"),
        "resumed": fit(folder / "run"),
        "another run": told(lambda: fit(folder / "run", run="another")),
        "the run of one process": told(lambda: fit(folder / "of_one")),
        "stopped": fit(patience=2),
        "twins": twins(folder),
        "not a number": told(not_a_number),
        "error": told(on_main_in_error),
        "other device": told(lambda: processes.own_device("meta")),
    }


def main_only(*arguments: object) -> None:
    """In place of writing a checkpoint."""
    raise AssertionError("this is for the main process")


if __name__ == "__main__":
    if os.environ["RANK"] != "0":
        training.save_file = main_only
    scene, out = sys.argv[1], Path(sys.argv[2])
    torch.manual_seed(int(os.environ["RANK"]))
    found = {"killed": killed, "learned": learned}[scene](out)
    (out / f"{scene}_{processes.rank()}.json").write_text(json.dumps(found))
