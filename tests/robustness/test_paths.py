"""Every command with every kind of bad path: one line that names it, and nothing is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llmrec_env.cli import app
from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import write_json
from llmrec_env.common.run_folder import FORMAT
from llmrec_env.experiments.rerun import rerun

WRITERS = (
    *("fit", "train", "label", "demo", "shop train", "bench", "bench offline"),
    "bench policies",
    "bench sensitivity",
    *("serve", "shop evaluate", "shop protocol", "shop serve"),
)
READERS = (
    *("evaluate --data", "train --out here --data", "fit --out here --data"),
    *("label --out here --log", "label --out here --data", "demo --data", "bench --data"),
    *("evaluate --simulator", "evaluate --recommender", "train --out here --simulator"),
    *("label --out here --simulator", "rerun --out here", "shop evaluate --policy"),
    *("shop evaluate --catalogue", "shop serve --out here --replay"),
    "shop train --out here --stages ppo --reward-model",
)
NO_PLACES = {
    "s3://bucket/x": "only paths of this machine are opened",
    "hf://org/name": "only paths of this machine are opened",
    "file:///tmp/x": "is a URI, and a path is expected",
    "~nobody-of-that-name/x": "home folder of no user here",
    "/proc/none/x": "No such file or directory",
    "file/x": "is a file",
    "n" * 300: "file name too long",
}
"""Where nothing can be written, and what is said."""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "file").write_text("mine")


def refused(words: list[str]) -> str:
    """The one line in which a command is refused."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1, (words, result.output, result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    told = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert len(told) == 1, result.output
    assert "Errno" not in told[0]
    assert "os error" not in told[0]
    return told[0]


@pytest.mark.parametrize("command", WRITERS)
@pytest.mark.parametrize("place", NO_PLACES)
def test_no_command_works_for_a_result_that_has_no_place(
    command: str, place: str, tmp_path: Path
) -> None:
    assert NO_PLACES[place] in refused([*command.split(), "--out", place])
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("command", READERS)
def test_no_command_reads_from_an_address(command: str, tmp_path: Path) -> None:
    assert "only paths of this machine are opened" in refused([*command.split(), "s3://bucket/x"])
    assert {entry.name for entry in tmp_path.iterdir()} <= {"file", "cache"}


@pytest.mark.parametrize("command", [name for name in WRITERS if name != "shop train"])
def test_folders_of_others_are_left_alone(command: str, tmp_path: Path) -> None:
    places = ("out", "out.checkpoint")
    for place in places:
        (tmp_path / place).mkdir()
        (tmp_path / place / "thesis.tex").write_text("mine")
    refused([*command.split(), "--out", "out"])
    for place in places:
        assert [entry.name for entry in (tmp_path / place).iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("command", ["fit --out out", "shop train --catalogue 3000 --out out"])
def test_a_cache_that_cannot_be_written_is_told_before_anything_is_learned(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_CACHE", "/proc/none")
    told = refused(command.split())
    assert "the cache, which $LLMREC_CACHE moves: cannot write /proc/none" in told


@pytest.mark.parametrize("command", ["fit", "train"])
def test_the_checkpoint_of_another_is_left_alone(command: str, tmp_path: Path) -> None:
    (tmp_path / "out.checkpoint").mkdir()
    (tmp_path / "out.checkpoint" / "thesis.tex").write_text("mine")
    assert "out.checkpoint holds something else" in refused([command, "--out", "out"])
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "out.checkpoint"}


def test_a_run_with_damaged_settings_is_not_repeated(tmp_path: Path) -> None:
    run = {"kind": "demo", "settings": {}, "contents": {}, "format": FORMAT}
    for settings in (
        {"seed": "x"},
        {"seed": -1},
        {"seed": 1.5},
        {"budget": "much"},
        {"budget": None},
        {"backbones": "sasrec"},
        {"world_size": [1]},
        {"world_size": ["a", "b"]},
        {"data": 5},
        {"nothing": 1},
        {"data": ["a"]},
    ):
        write_json(tmp_path / "run" / "run.json", {**run, "settings": settings})
        assert next(iter(settings)) in refused(["rerun", "run", "--out", "again"])
    for text in ("", "{", "[]", "null"):
        (tmp_path / "run" / "run.json").write_text(text)
        assert "run.json" in refused(["rerun", "run", "--out", "again"])
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "run"}
    with pytest.raises(SettingError, match="only paths of this machine are opened"):
        rerun("s3://bucket/run", "again")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_stopped_says_so_in_one_line(
    number: signal.Signals, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "llmrec_env.cli", "train", "--out", "model"]
    command += ["--objective", "supervised", "--no-augment"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stderr=pipe, text=True) as process:
        state = tmp_path / "model.checkpoint" / "learning" / "state.safetensors"
        deadline = time.monotonic() + 120
        while not state.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert told.splitlines()[-1] == "stopped; the same command goes on from what was finished"
    assert "Traceback" not in told
    assert not (tmp_path / "model").exists()
    assert state.exists()
