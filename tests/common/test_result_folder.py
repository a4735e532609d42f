"""A result stands whole in the end, whenever the command that makes it was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.result_folder import ResultFolder

pytestmark = pytest.mark.core


def save(folder: Path) -> None:
    folder.mkdir()
    (folder / "weights").write_text("1 2 3")


def make(out: Path, log: str = "abc", device: str = "cpu", **settings: object) -> bool:
    """Make a result; whether an earlier try had come to its end."""
    place = ResultFolder.at(out, "fit", "LE", {"epochs": 3, **settings})
    with place.claim({"log": log}, {"device": device}):
        if place.is_finished():
            return True
        (place.checkpoint.path / "learning").mkdir(exist_ok=True)
        place.finish(save)
    return False


def test_a_result_is_made_once(tmp_path: Path) -> None:
    out = tmp_path / "le"
    assert not make(out)
    assert (out / "weights").read_text() == "1 2 3"
    assert [entry.name for entry in tmp_path.iterdir()] == ["le"]
    assert make(out, device="cuda")
    for changes in ({"log": "xyz"}, {"epochs": 4}):
        with pytest.raises(SettingError, match="holds a saved LE of other data or settings"):
            make(out, **changes)  # type: ignore[arg-type]
    assert [entry.name for entry in tmp_path.iterdir()] == ["le"]


class Killed(BaseException):
    """What ends a process at once."""


def at_call(number: int, function: Callable[..., object]) -> Callable[..., object]:
    """The function, until its call of this number kills the process."""
    calls = iter(range(number))

    def call(*arguments: object, **more: object) -> object:
        if next(calls, None) is None:
            raise Killed
        return function(*arguments, **more)

    return call


@pytest.mark.parametrize("method", ["replace", "unlink", "rmdir", "mkdir", "write_text"])
def test_one_killed_anywhere_goes_on(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "le"
    for number in range(12):
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, at_call(number, getattr(Path, method)))
            try:
                make(out)
            except Killed:
                pass
            else:
                break
        make(out)
        assert (out / "weights").read_text() == "1 2 3"
        assert [entry.name for entry in tmp_path.iterdir()] == ["le"]
        for entry in out.iterdir():
            entry.unlink()
        out.rmdir()
    assert number


def test_a_link_is_kept(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "le").symlink_to("elsewhere")
    assert not make(tmp_path / "le")
    assert (tmp_path / "le").is_symlink()
    assert (tmp_path / "elsewhere" / "weights").exists()
    assert make(tmp_path / "le")


def test_what_others_have_there_is_left(tmp_path: Path) -> None:
    for name in ("le", "le.checkpoint"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").write_text("mine")
        with pytest.raises(SettingError, match=r"which would be lost|which could be lost"):
            make(tmp_path / "le")
        assert (tmp_path / name / "thesis.tex").exists()
        (tmp_path / name / "thesis.tex").unlink()


def test_what_is_refused_before_anything_was_kept_leaves_nothing(tmp_path: Path) -> None:
    def refused(keep: bool, **settings: object) -> None:
        place = ResultFolder.at(tmp_path / "le", "fit", "LE", settings)
        with place.claim({"log": "abc"}, {}):
            if keep:
                (place.checkpoint.path / "learning").mkdir()
            raise DataError("no item has text")

    with pytest.raises(DataError, match="no item has text"):
        refused(keep=False, epochs=3)
    assert not list(tmp_path.iterdir())
    with pytest.raises(DataError, match="no item has text"):
        refused(keep=True, epochs=4)
    with pytest.raises(SettingError, match="made with other settings"):
        refused(keep=True, epochs=5)
