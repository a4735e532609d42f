"""Two processes learn one LE: each takes its batches, and the main one does the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from in_two_processes import in_two_processes
from tiny_models import TINY
from torch import Tensor

from llmrec_env.data.splits import Split
from llmrec_env.data.windows import chunk_log
from llmrec_env.language.model import LanguageEnvironment

pytestmark = [pytest.mark.core, pytest.mark.slow]
SCRIPT = Path(__file__).with_name("fitting_together.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left, after two others had been killed at their work."""
    folder = tmp_path_factory.mktemp("together")
    with in_two_processes(SCRIPT) as run:
        code, output = run("killed", folder)
        assert code != 0, output
        assert (folder / "checkpoint" / "learning" / "state.safetensors").exists(), output
        code, output = run("fitted", folder)
    assert code == 0, output
    assert output.count("learn the user") == 1, output  # one progress bar
    return folder


def weights(folder: Path, name: str) -> dict[str, Tensor]:
    """Every parameter and buffer of one LE."""
    return torch.load(folder / f"{name}.pt", weights_only=True)


def record(folder: Path, name: str) -> dict[str, Any]:
    """What one LE says of its learning."""
    return json.loads((folder / f"{name}.json").read_text())


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether all tensors are equal to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_both_end_with_the_same_le(folder: Path) -> None:
    assert same(weights(folder, "whole_0"), weights(folder, "whole_1"))
    assert record(folder, "whole_0") == record(folder, "whole_1")


def test_it_is_saved_once_and_loads(folder: Path) -> None:
    model = LanguageEnvironment.from_pretrained(folder / "le")
    for rank in (0, 1):
        assert same(model.state_dict(), weights(folder, f"loaded_{rank}"))
        learned = weights(folder, f"whole_{rank}")
        assert all(torch.equal(learned[n], v) for n, v in model.state_dict().items())
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["checkpoint", "le"]


def test_two_killed_processes_go_on_as_if_nothing_had_happened(folder: Path) -> None:
    for rank in (0, 1):
        assert same(weights(folder, f"resumed_{rank}"), weights(folder, "whole_0"))
        assert record(folder, f"resumed_{rank}") == record(folder, "whole_0")
    assert not (folder / "checkpoint" / "learning").exists()


def test_they_share_the_passes_over_the_users(folder: Path, split: Split) -> None:
    stretches = int((chunk_log(split.train, TINY.model.window).widths > 1).sum())
    batches_of_two_passes = 2 * -(-stretches // TINY.learning.batch_size)
    last = record(folder, "whole_0")["learning"]["curve"][-1]["step"]
    assert last == -(-batches_of_two_passes // 2)


def test_they_learn_what_one_process_does_not_and_share_the_rest(
    folder: Path, learned: LanguageEnvironment
) -> None:
    together, alone = weights(folder, "whole_0"), learned.state_dict()
    moved = {n for n, v in alone.items() if not torch.equal(v, together[n])}
    assert {n for n in moved if not (n.startswith("heads.") or ".lora_" in n)} == {
        "reward_mean",
        "reward_sd",
    }
    assert any(".lora_" in n for n in moved)
    curve = record(folder, "whole_0")["learning"]["curve"]
    assert curve[0] == learned.record["learning"]["curve"][0]  # before the first step
    assert curve[-1]["progress"] != learned.record["learning"]["curve"][-1]["progress"]
