"""What is written stands there whole, and what others have written is left alone."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from llmrec_env.common.errors import FileError, LLMRecError, SettingError
from llmrec_env.common.files import (
    atomic_path,
    cache_folder,
    check_writable,
    local_path,
    refuse_loss,
    write_json,
)

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


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "model", "a")
    (tmp_path / "folder").symlink_to("model")
    (tmp_path / "nowhere").symlink_to("later")
    write(tmp_path / "folder", "a", "b")
    write(tmp_path / "nowhere", "a")
    assert (tmp_path / "folder").is_symlink()
    assert (tmp_path / "nowhere").is_symlink()
    assert (tmp_path / "model" / "b").exists()
    assert (tmp_path / "later" / "a").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from llmrec_env.common import files
replace = Path.replace
def killed(self, target):
    if str(target) == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
Path.replace = killed
with files.atomic_path(sys.argv[1]) as path:
    path.mkdir()
    (path / "a").write_text("new")
"""


def test_one_killed_between_its_renames_is_brought_to_its_end(tmp_path: Path) -> None:
    model = tmp_path / "model"
    write(model, "a")
    (model / "a").write_text("old")
    subprocess.run([sys.executable, "-c", KILLED, str(model)], check=False)
    assert not model.exists()  # its second rename was to be the next
    (tmp_path / ".model.llmrec-mine").write_text("no folder of a writer")
    with pytest.raises(KeyboardInterrupt), atomic_path(model):
        raise KeyboardInterrupt
    assert (model / "a").read_text() == "new"
    assert {path.name for path in tmp_path.iterdir()} == {"model", ".model.llmrec-mine"}


def test_what_another_writes_at_the_same_time_is_left(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as first:
        first.write_text("first")
        with atomic_path(tmp_path / "a") as second:
            second.write_text("second")
    assert (tmp_path / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_the_file_system_refuses_is_one_line_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"^cannot write .*/file: Not a directory$"):
        write(tmp_path / "file" / "a", "b")
    with pytest.raises(SettingError, match=r"/a{300}': file name too long$"):
        write_json(tmp_path / ("a" * 300), {})
    with pytest.raises(FileError, match=r"^cannot write /proc/a: No such file or directory$"):
        write_json("/proc/a", {})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    table = pl.DataFrame({"a": np.random.default_rng(0).random(100_000)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(FileError, match=r"cannot write .*/full.json: File too large$"):
            write_json(tmp_path / "full.json", "x" * 100_000)
        with (
            pytest.raises(FileError, match=r"cannot write .*/full.parquet: File too large$"),
            atomic_path(tmp_path / "full.parquet") as path,
        ):
            table.write_parquet(path)
        with (
            pytest.raises(FileError, match=r"cannot write .*/full.st: File too large$"),
            atomic_path(tmp_path / "full.st") as path,
        ):
            save_file({"a": table["a"].to_numpy()}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_whether_something_can_be_written_is_known_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_writable(tmp_path / "a" / "b", "--out")
    check_writable(tmp_path, "--out")
    for place in ("/proc/a/b", tmp_path / "file" / "b", tmp_path / ("a" * 300)):
        with pytest.raises(LLMRecError, match="--out: "):
            check_writable(place, "--out")
    (tmp_path / "file").unlink()
    (tmp_path / "file").symlink_to("file")
    with pytest.raises(SettingError, match=r"--out: .*: too many levels of symbolic links"):
        check_writable(tmp_path / "file", "--out")
    with pytest.raises(SettingError, match="only paths of this machine are opened"):
        check_writable("s3://bucket/x", "--out")
    (tmp_path / "file").unlink()
    assert not list(tmp_path.iterdir())


def test_the_cache_stands_where_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which is to be ignored
    monkeypatch.delenv("LLMREC_CACHE", raising=False)
    assert cache_folder() == Path("/home/me/.cache/llmrec-env")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/llmrec-env")
    monkeypatch.setenv("LLMREC_CACHE", "~/own")
    assert cache_folder() == Path("/home/me/own")


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
