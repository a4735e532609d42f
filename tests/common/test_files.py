"""What is written stands there whole, and what others have written is left alone."""

from pathlib import Path

import pytest

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import atomic_path, local_path, refuse_loss, write_json

pytestmark = pytest.mark.core


def write(folder: Path, *names: str) -> None:
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for name in names:
            (temporary / name).write_text("new", encoding="utf-8")


def test_a_folder_is_replaced_by_one_with_the_same_entries(tmp_path: Path) -> None:
    write(tmp_path / "model", "a")
    (tmp_path / "model" / "a").write_text("old", encoding="utf-8")
    write(tmp_path / "model", "a", "b")
    assert (tmp_path / "model" / "a").read_text(encoding="utf-8") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_with_anything_else_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    write(folder, "a")
    for name in ("1.tex", "2.tex", "3.tex", "4.tex"):
        (folder / name).write_text("mine", encoding="utf-8")
    with pytest.raises(SettingError, match=r"thesis holds 1\.tex, 2\.tex, 3\.tex, …, which would"):
        write(folder, "a", "b")
    assert len(list(folder.iterdir())) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "runs", "a")
    with pytest.raises(SettingError, match="runs holds a, which would be lost"):
        write_json(tmp_path / "runs", {})
    assert (tmp_path / "runs" / "a").exists()


def test_the_folder_one_stands_in_is_no_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.tex").write_text("mine", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError, match=r"holds 1\.tex"):
        write(Path(), "a")
    assert (tmp_path / "1.tex").exists()


def test_a_file_is_no_place_for_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("mine", encoding="utf-8")
    with pytest.raises(SettingError, match="is a file"):
        write(tmp_path / "model", "a")
    with pytest.raises(SettingError, match="is a file"):
        refuse_loss(tmp_path / "model", ())


def test_a_path_is_a_place_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("~/runs") == tmp_path / "runs"
    (tmp_path / "link").symlink_to(tmp_path)
    for kept in ("runs/a", "out[1]", "a b?*", "c:/logs", "\u202f", str(tmp_path / "link")):
        assert local_path(kept) == local_path(Path(kept)) == Path(kept)


@pytest.mark.parametrize("address", ["s3://bucket/x", "hf://org/data", "GS://b", "https://x.org/y"])
def test_an_address_is_no_path(address: str) -> None:
    for given in (address, Path(address)):  # which leaves one slash of two
        with pytest.raises(SettingError, match=r"--out: .* is an address, and only paths of this"):
            local_path(given, "--out")
    with pytest.raises(SettingError, match="is a URI, and a path is expected; write /tmp/x"):
        local_path("file:///tmp/x")


@pytest.mark.parametrize("text", ["", "a\0b", "\udcff.csv", 5, None, b"x"])
def test_what_is_no_path_is_refused(text: object) -> None:
    with pytest.raises(SettingError, match="--data: expected the path of a file or folder"):
        local_path(text, "--data")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="names the home folder of no user here"):
        local_path("~nobody-of-that-name/x")
