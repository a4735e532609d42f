"""A run folder: continued by the same run, refused by any other, in one line that says why."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmrec_env.common.errors import LLMRecError, SettingError
from llmrec_env.common.files import write_json
from llmrec_env.common.run_folder import FORMAT, RunFolder, check_same

pytestmark = pytest.mark.core
SETTINGS: dict[str, Any] = {"epochs": 3, "seeds": 2, "methods": ("plain", "SNQN")}


def claim(path: Path, kind: str = "bench", log: str = "abc", **changes: Any) -> RunFolder:
    settings = {**SETTINGS, **changes}
    return RunFolder.claim(path, kind, settings, growing=["seeds"], contents={"log": log})


def test_the_same_run_goes_on_with_its_pieces(tmp_path: Path) -> None:
    folder = claim(tmp_path / "run")
    folder.write("rows/one.json", {"value": 1})
    with folder.making("models") as path:
        path.mkdir()
        (path / "weights").write_text("1 2 3")
    again = claim(tmp_path / "run", seeds=5)
    assert again.has("rows/one.json")
    assert again.part("rows").read("one.json") == {"value": 1}
    assert again.has("models")
    assert not again.has("rows/two.json")
    kind, settings = RunFolder.open(tmp_path / "run")
    assert kind == "bench"
    assert settings == {"epochs": 3, "seeds": 5, "methods": ["plain", "SNQN"]}


def test_a_piece_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    with claim(tmp_path) as folder:
        with contextlib.suppress(KeyboardInterrupt), folder.making("model") as path:
            path.mkdir()
            raise KeyboardInterrupt
        assert not folder.has("model")
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 4}, r"other settings \(epochs=3 instead of 4\)"),
        ({"methods": ("plain",)}, r"methods=\['plain', 'SNQN'\] instead of \['plain'\]"),
        ({"log": "xyz"}, r"other settings \(another log\)"),
        ({"kind": "demo"}, "is a folder of `llmrec bench`, whose results would be lost"),
    ],
)
def test_another_run_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    claim(tmp_path)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(SettingError, match=message):
        claim(tmp_path, **changes)
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notes.txt", "holds something else, which could be lost"),
        ("study.json", "of an earlier version, .* repeat the command that its config.json names"),
    ],
)
def test_what_is_no_run_is_left_alone(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    for use in (claim, RunFolder.open):
        with pytest.raises(SettingError, match=message):
            use(tmp_path)
    with pytest.raises(SettingError, match="is a file"):
        claim(tmp_path / name)
    with pytest.raises(SettingError, match="holds no run"):
        RunFolder.open(tmp_path / "nowhere")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_run_of_another_format_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"kind": "bench", "format": 99})
    with pytest.raises(SettingError, match="has format 99"):
        claim(tmp_path)


NOW = f'"format": {FORMAT}'
DAMAGED = (
    *("", "{", "[]", "5", "\x00", "[" * 5000, f"{{{NOW}}}", f'{{"kind": "bench", {NOW}}}'),
    f'{{"kind": "bench", "settings": [], "contents": {{}}, {NOW}}}',
)


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_description_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    for use in (claim, RunFolder.open):
        with pytest.raises(LLMRecError, match=r"run\.json.*(damaged|not what a run)"):
            use(tmp_path)
    assert (tmp_path / "run.json").read_text() == text


def test_long_values_are_only_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"\(another config\)"):
        check_same(tmp_path, {"config": {"a": "x" * 99}}, {"config": {"a": "y" * 99}})


HOLD = """
import sys, time
from pathlib import Path
from llmrec_env.common.run_folder import RunFolder
with RunFolder.claim(Path(sys.argv[1]), "bench", {}) as folder, folder.making("model") as path:
    path.mkdir()
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, at work in a run folder."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_one_process_at_a_time_is_at_work_in_a_folder(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    run = tmp_path / "run"
    with pytest.raises(SettingError, match=f"process {holder.pid} is at work in .*run; wait"):
        RunFolder.claim(run, "bench", {})
    holder.communicate("")
    with RunFolder.claim(run, "bench", {}):
        assert (run / "model").exists()
    assert sorted(entry.name for entry in run.iterdir()) == ["model", "run.json"]


def test_a_killed_process_holds_nothing_and_leaves_nothing(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    run = tmp_path / "run"
    holder.kill()
    holder.wait()
    assert len(list(run.iterdir())) == 3  # with the lock, and what it was writing
    with RunFolder.claim(run, "bench", {}):
        pass
    assert [entry.name for entry in run.iterdir()] == ["run.json"]


def test_a_refused_claim_leaves_no_folder_and_no_lock(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        RunFolder.claim(tmp_path / "run", "bench", {"a": object()})
    assert not list(tmp_path.iterdir())
    with claim(tmp_path / "run"):
        pass
    with pytest.raises(SettingError):
        claim(tmp_path / "run", log="another")
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["run.json"]
