"""Several processes learn as one: the same steps, one that decides, and none left behind."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from in_two_processes import in_two_processes
from test_training import CONFIG, Line
from torch import Tensor, nn

from llmrec_env.common import processes
from llmrec_env.common.training import train

pytestmark = pytest.mark.core
SCRIPT = Path(__file__).with_name("learning_together.py")
Loss = Callable[[int, np.random.Generator], dict[str, Tensor]]


def test_one_process_is_main_and_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # some job queues say so much and no more
    monkeypatch.delenv("RANK", raising=False)
    assert (processes.count(), processes.rank(), processes.is_main()) == (1, 0, True)
    assert processes.own_device("cuda") == "cuda"
    assert processes.on_main(lambda: 7) == 7
    values = torch.ones(3)
    assert processes.mean(values) is values


def test_one_process_learns_without_accelerate() -> None:
    code = (
        "import sys, torch; from llmrec_env.common.training import TrainingConfig, train; "
        "line = torch.nn.Linear(1, 1); "
        "train(line, lambda *_: {'bias': line.bias.square().sum()}, TrainingConfig(steps=2)); "
        "print('accelerate' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes meet; the run of one process lies there already."""
    folder = tmp_path_factory.mktemp("processes")
    module = Line()
    train(
        module,
        module.loss,
        CONFIG,
        evaluate=module.score,
        metric="closeness",
        folder=folder / "of_one",
    )
    return folder


@pytest.fixture(scope="module")
def learned(folder: Path) -> list[dict[str, Any]]:
    """What two processes found, after two others had been killed at their work."""
    with in_two_processes(SCRIPT) as run:
        code, output = run("killed", folder)
        assert code != 0, output
        assert (folder / "run" / "state.safetensors").exists(), output
        code, output = run("learned", folder)
    assert code == 0, output
    assert "warn" not in output.lower()
    return [json.loads((folder / f"learned_{rank}.json").read_text()) for rank in (0, 1)]


def mean_of_two(loss: Loss) -> Loss:
    """The mean of the losses of both batches that two processes take in a step."""

    def both(step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        terms: list[dict[str, Tensor]] = []
        for number in (2 * step, 2 * step + 1):
            seed = [CONFIG.seed, number]
            torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
            terms.append(loss(number, np.random.default_rng(seed)))
        return {name: (terms[0][name] + terms[1][name]) / 2 for name in terms[0]}

    return both


@pytest.mark.slow
def test_two_processes_are_told_apart_and_hear_what_main_says(
    learned: list[dict[str, Any]],
) -> None:
    assert [found["place"] for found in learned] == [[0, 2, True], [1, 2, False]]
    for found in learned:
        assert found["mean"] == [0.5, 4.0]
        assert found["main says"] == [0, "0"]


@pytest.mark.slow
def test_a_step_of_two_processes_is_a_step_on_the_mean_of_their_batches(
    learned: list[dict[str, Any]],
) -> None:
    module = Line()
    history = train(
        module, mean_of_two(module.loss), CONFIG, evaluate=module.score, metric="closeness"
    )
    expected = [*module.line.weight.flatten().tolist(), *module.line.bias.tolist()]
    first, second = (found["whole"] for found in learned)
    assert first["weights"] == pytest.approx(expected, rel=1e-5)
    assert first["weights"] == second["weights"]  # to the last bit
    assert first["history"] == second["history"]
    rows = zip(first["history"]["rows"], history.rows, strict=True)
    for found, row in rows:  # with the mean losses of both processes
        assert found == pytest.approx(row, rel=1e-5)


@pytest.mark.slow
def test_a_batch_that_touches_some_parameters_leaves_the_others_alone(
    learned: list[dict[str, Any]],
) -> None:
    parts = nn.ModuleList([Line(), Line(), Line()])
    loss = mean_of_two(lambda number, rng: parts[number // 2 % 2].loss(number, rng))
    train(parts, loss, CONFIG)
    for found in learned:
        for part, weights in zip(parts, found["twins"]["weights"], strict=True):
            expected = [*part.line.weight.flatten().tolist(), *part.line.bias.tolist()]
            assert weights == pytest.approx(expected, rel=1e-5)
    assert learned[0]["twins"] == learned[1]["twins"]


@pytest.mark.slow
def test_two_killed_processes_go_on_as_if_nothing_had_happened(
    learned: list[dict[str, Any]],
) -> None:
    for found in learned:
        assert found["resumed"] == found["whole"]


@pytest.mark.slow
def test_the_main_process_alone_validates_and_all_stop_with_it(
    learned: list[dict[str, Any]],
) -> None:
    first, second = (found["stopped"] for found in learned)
    assert first["asked"] == [1, 1, 1, 1]  # and as if it were alone
    assert second["asked"] == []
    metrics = [row["made up"] for row in second["history"]["rows"]]
    assert metrics == pytest.approx([math.sin(x) for x in (1, 2, 3, 4)])
    assert second["history"] == first["history"]
    assert second["history"]["best_step"] == 4
    assert second["weights"] == first["weights"]


@pytest.mark.slow
def test_what_goes_wrong_in_one_process_is_said_in_all(learned: list[dict[str, Any]]) -> None:
    for found in learned:
        for name in ("another run", "the run of one process"):
            assert "number of processes" in found[name], name
        assert "the loss is nan at step 5" in found["not a number"]
        assert found["error"] == "process 0 of 1"
        assert "device 'meta' cannot be used by all of 2 processes" in found["other device"]
