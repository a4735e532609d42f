"""The report: what is collected comes back, prints everywhere and makes one safe page."""

from __future__ import annotations

import json
import math
import sys
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from llmrec_env.common.errors import DataError
from llmrec_env.reporting import (
    Bars,
    Cloud,
    Curve,
    Curves,
    Estimate,
    Facts,
    Finding,
    Forest,
    Report,
    Scatter,
    Table,
    Text,
    Transcript,
    Turn,
)
from llmrec_env.reporting.elements import from_json, plain, to_json
from llmrec_env.reporting.terminal import best_cells, cell_text, sparkline

pytestmark = pytest.mark.core
HOSTILE = "<script>alert('$x$')</script>\x1b[31m & \"co\"\u202e"


def sample_report() -> Report:
    """One element of every kind, with hostile texts in every place that data can reach."""
    report = Report(f"Demo {HOSTILE}", "A lede", "llmrec demo", {"data": HOSTILE}, {"world": 0})
    report.section("Tables").add(
        Text("One.\n\nTwo."),
        Facts({"users": 2000, HOSTILE: HOSTILE}),
        Finding("it works", True, HOSTILE),
        Finding("it flies", None),
        Finding("it swims", False),
        Table(
            "Ranking",
            ["who", "HR@10", "users"],
            [["LE", Estimate(0.3, 0.2, 0.4), 10], [HOSTILE, np.float32(0.1), None]],
            controls=[plain(HOSTILE)],
            masked=False,
            best=["HR@10"],
            note="A note",
            command="llmrec evaluate",
        ),
    )
    band = [0.0, math.nan, 0.2]
    clouds = {HOSTILE: Cloud([0, 1], [1, 2]), "rest": Cloud(np.zeros(1), [0.5])}
    report.section("Figures").add(
        Curves("Curves", "A caption", [Curve(HOSTILE, np.arange(3), band, band, band)], "x", "y"),
        Curves("Levels", HOSTILE, [Curve("a", [1], [2])], "x", "y", levels={HOSTILE: 0.5}),
        Curves(
            "Log",
            "Caption",
            [Curve("a", [0.1, 1], [1, 2], levels={HOSTILE: 1})],
            "x",
            "y",
            {},
            True,
        ),
        Bars("Bars", "Caption", ["LE", HOSTILE], {"PPO": [Estimate(1, 0, 2), Estimate(2)]}, "y"),
        Scatter("Map", "Caption", {HOSTILE: clouds, "B": clouds}, "rest"),
        Forest("Forest", "Caption", {HOSTILE: Estimate(0.1, sd=0.2)}, "x"),
        Transcript("Episode", HOSTILE, [HOSTILE], [Turn(HOSTILE, 0.5, True, HOSTILE)], HOSTILE),
    )
    return report


class Tags(HTMLParser):
    """Collects the tags, addresses and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "srcset", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def printed(report: Report, width: int) -> str:
    """What the terminal shows."""
    console = Console(file=StringIO(), width=width, force_terminal=False)
    report.print(console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_saved_report_loads_as_it_was(tmp_path: Path) -> None:
    report = sample_report()
    report.seconds["measure"] = 2.0
    report.save(tmp_path / "run", page=False)
    loaded = Report.load(tmp_path / "run")
    assert loaded.sections == report.sections
    assert list(loaded.config.items()) == list(report.config.items())
    assert loaded.table("Ranking").rows[0][1] == Estimate(0.3, 0.2, 0.4)


def test_results_are_the_same_bytes_whatever_the_seconds(tmp_path: Path) -> None:
    first, second = sample_report(), sample_report()
    second.seconds["slow"] = 9.0
    first.save(tmp_path / "a", page=False)
    second.save(tmp_path / "b", page=False)
    a, b = ((tmp_path / name / "results.json").read_bytes() for name in "ab")
    assert a == b
    json.loads(a, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_without_the_extra_the_numbers_are_saved_and_the_mend_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    report = sample_report()
    with pytest.warns(UserWarning, match=r"pip install .*\[report\]"):
        assert report.save(tmp_path) is None
    assert Report.load(tmp_path).sections == report.sections


def test_the_page_is_one_file_that_runs_nothing_and_fetches_nothing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    page = sample_report().save(tmp_path)
    assert page is not None
    tags = Tags(page.read_text(encoding="utf-8"))
    assert not {"script", "link", "iframe", "object"} & set(tags.tags)
    assert all(address.startswith(("#", "data:image/svg+xml;")) for address in tags.addresses)
    assert "<script>alert('$x$')</script>" in tags.text
    assert "Not shown: it swims" in tags.text
    assert tags.tags.count("img") == tags.tags.count("figcaption") == 6
    assert len(list((tmp_path / "figures").glob("*.png"))) == 6


def test_the_page_is_made_again_from_the_folder_alone(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    page = sample_report().save(tmp_path)
    assert page is not None
    before = page.read_bytes()
    page.unlink()
    assert Report.load(tmp_path).render(tmp_path).read_bytes() == before


def test_figures_of_an_earlier_report_go_and_others_stay(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    figures = tmp_path / "figures"
    figures.mkdir()
    for name in ("99-mine.png", "holiday.png"):
        (figures / name).write_bytes(b"")
    sample_report().save(tmp_path)
    drawn = next(path for path in figures.iterdir() if path.stat().st_size)
    drawn.rename(figures / "98-of-an-earlier-report.png")
    sample_report().save(tmp_path)
    names = {path.name for path in figures.iterdir()}
    assert {"holiday.png", "99-mine.png", drawn.name} <= names
    assert "98-of-an-earlier-report.png" not in names


@pytest.mark.parametrize("width", [60, 200])
def test_the_terminal_shows_the_tables_and_no_escape_codes_of_the_data(width: int) -> None:
    shown = printed(sample_report(), width)
    for text in ("Ranking", "0.300", "[0.200, 0.400]", "Seen items masked: no.", "llmrec evaluate"):
        assert text in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("width", [40, 80])
def test_a_table_too_wide_for_the_terminal_goes_on_below_and_no_number_is_cut_off(
    width: int,
) -> None:
    report = Report("Wide")
    numbers = [[f"row {row}", *(row + column / 1e4 for column in range(20))] for row in range(3)]
    columns = ["who", *(f"metric {column}" for column in range(20))]
    report.section("All").add(Table("Many columns", columns, numbers, digits=4))
    shown = printed(report, width).splitlines()
    assert max(map(len, shown)) <= width
    text = " ".join(shown)
    wanted = {f"{row + column / 1e4:.4f}" for row in range(3) for column in range(20)}
    assert wanted <= {*text.split()}
    assert text.count(" who ") == text.count(" row 2 ") > 1, "each part says whose numbers it has"
    assert text.count("Many columns") == 1


def test_numbers_as_a_person_reads_them() -> None:
    cells = (12345, 0.12345, True, None, "x", Estimate(16, 15.5, 16.5), Estimate(1, sd=0.1))
    shown = [cell_text(cell, digits=2) for cell in cells]
    assert shown == ["12,345", "0.12", "yes", "–", "x", "16.00 [15.50, 16.50]", "1.00 ± 0.10"]
    assert Estimate.over([1.0, 3.0]) == Estimate(2.0, sd=math.sqrt(2))
    assert Estimate.over([1.0]) == Estimate(1.0)


def test_the_best_value_is_found_among_estimates_and_gaps() -> None:
    table = Table("t", ["who", "v"], [["a", None], ["b", Estimate(2)], ["c", 2.0]], best=["v"])
    assert best_cells(table) == {(1, 1), (2, 1)}


def test_a_sparkline_rises_with_its_values() -> None:
    assert sparkline([0.0, None, 0.5, 1.0]) == "▁▅█"
    assert len(sparkline(range(1000), width=10)) == 10
    assert sparkline([]) == ""


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Table("t", ["a", "b"], [["x"]]), "row 1 has 1 cells, expected 2"),
        (lambda: Table("t", ["a"], [["x"]], controls=["y"]), "names 'y'"),
        (lambda: Table("t", ["a"], [["x"]], best=["b"]), "names 'b'"),
        (lambda: Curve("c", [1, 2], [1]), "1 values of y, expected 2"),
        (lambda: Bars("b", "c", ["g"], {"s": []}, "y"), "has 0 bars, expected 1"),
        (lambda: Cloud([1, 2], [1]), "1 values of y, expected 2"),
        (lambda: Cloud([1, 2], [1, 2], ["a"]), "1 values of names, expected 2"),
        (lambda: Scatter("s", "c", {"A": {"x": Cloud([], [])}, "B": {}}), "of the same names"),
        (lambda: Curves("c", "", [Curve("a", [0], [1])], "", "", log_x=True), "no place on a log"),
        (lambda: Text(object()), "cannot hold a object"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_together_is_refused(build, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=message):
        build()


def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a run folder"):
        Report.load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "results.json").write_text('{"sections": []}')
    with pytest.raises(DataError, match="not the results"):
        Report.load(tmp_path)
    with pytest.raises(DataError, match="unknown element 'Movie'"):
        from_json({"@": "Movie"})
    with pytest.raises(DataError, match="Text with unexpected fields"):
        from_json({"@": "Text", "words": "x"})


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.builds(Estimate, st.floats(), st.floats(), st.floats()),
)


@given(st.lists(st.lists(cells, min_size=2, max_size=2)), st.dictionaries(st.text(), cells))
def test_every_element_survives_json(rows: list[list[object]], facts: dict[str, object]) -> None:
    elements = (Table("t", ["a", "b"], rows), Facts(facts))  # type: ignore[arg-type]
    written = json.dumps(to_json(elements), allow_nan=False)
    assert from_json(json.loads(written)) == elements
    written.encode("utf-8")
