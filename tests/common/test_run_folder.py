"""A run folder: continued by the same run, refused by any other, in one line that says why."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import write_json
from llmrec_env.common.run_folder import RunFolder, check_same

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
    folder = claim(tmp_path)
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


def test_long_values_are_only_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"\(another config\)"):
        check_same(tmp_path, {"config": {"a": "x" * 99}}, {"config": {"a": "y" * 99}})
