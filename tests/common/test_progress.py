"""When progress bars appear, and who can silence them."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from llmrec_env.common import progress
from llmrec_env.common.progress import progress_bar, track

pytestmark = pytest.mark.core


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal shows, with bars that appear after a twentieth of a second."""
    shown = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=shown, force_terminal=True, width=80))
    monkeypatch.setattr(progress, "DELAY", 0.05)
    return shown


def work(name: str, seconds: float) -> None:
    """Something that takes time, in three steps."""
    for _ in track(range(3), name):
        time.sleep(seconds / 3)


def test_a_bar_appears_once_the_work_takes_long(screen: io.StringIO) -> None:
    with progress.hidden(False):
        work("short", 0.0)
        work("long", 0.6)
    assert "long" in screen.getvalue()
    assert "3/3" in screen.getvalue()
    assert "short" not in screen.getvalue()


def test_work_inside_other_work_shows_no_bar_of_its_own(screen: io.StringIO) -> None:
    with progress.hidden(False), progress_bar("outer", 1) as advance:
        work("inner", 0.3)
        advance(1, "")
    assert "outer" in screen.getvalue()
    assert "inner" not in screen.getvalue()


def test_hidden_progress_stays_hidden_and_comes_back(screen: io.StringIO) -> None:
    with progress.hidden(False):
        with progress.hidden():
            work("silent", 0.3)
        assert screen.getvalue() == ""
        work("loud", 0.6)
    assert "loud" in screen.getvalue()


def test_a_bar_that_never_appeared_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal in (False, True):
        shown = io.StringIO()
        console = Console(file=shown, force_terminal=is_terminal, width=80)
        monkeypatch.setattr(progress, "console", console)
        with progress.hidden(False):
            work("short", 0.0)
        assert shown.getvalue() == ""


def test_names_of_bars_are_no_markup(screen: io.StringIO) -> None:
    with progress.hidden(False):
        work("[/red] a[1]", 0.3)
    assert "[/red] a[1]" in screen.getvalue()


def test_a_log_file_gets_a_line_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=shown, force_terminal=False, width=80))
    monkeypatch.setattr(progress, "LINE_EVERY", 0.05)
    with progress.hidden(False), progress_bar("long work", 3) as advance:
        advance(1, "loss 2")
        assert shown.getvalue() == ""
        time.sleep(0.06)
        advance(1, "loss 1")
        assert shown.getvalue() == "long work: 2/3 loss 1\n"
