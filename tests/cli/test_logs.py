"""Every command opens a log by the same options, and refuses the same with advice that works."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from commands import run, runner

pytest.importorskip("d3rlpy")
pytest.importorskip("stable_baselines3")
from agents import Recommender
from llmrec_env.cli import app
from llmrec_env.common import progress
from llmrec_env.experiments.demo import DemoSettings
from llmrec_env.experiments.offline_benchmark import OfflineSettings
from llmrec_env.experiments.sensitivity import SensitivitySettings
from llmrec_env.experiments.settings import RunSettings
from llmrec_env.experiments.study import StudySettings

COMMANDS = ("fit", "train", "evaluate", "demo", "bench", "bench offline", "bench sensitivity")


def invoke(command: str, *options: str, folder: Path) -> str:
    """What a command prints that is to be refused, as one line."""
    out = () if command == "evaluate" else ("--out", str(folder / "out"))
    if command == "bench offline":
        out += ("--simulator", str(folder))
    result = runner.invoke(app, [*command.split(), *out, *options])
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def unordered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users without times, sorted by item, with ratings and an event that nobody knows."""
    draw = random.Random(0)
    rows = ["user_id,item_id,rating,event"]
    for user in range(40):
        for item in sorted(draw.sample(range(60), 12)):
            event = draw.choice(["view", "glimpse"])
            rows.append(f"u{user},{item},{draw.randint(1, 5)},{event}")
    folder = tmp_path_factory.mktemp("unordered")
    (folder / "interactions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", [*COMMANDS, "label"])
def test_an_unknown_event_is_refused_at_the_door(
    command: str, unordered: Path, tmp_path: Path
) -> None:
    said = invoke(command, "--data", str(unordered), folder=tmp_path)
    assert "rows have the event 'glimpse'" in said
    assert "--event glimpse=drop" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_an_order_that_nobody_knows_is_refused_at_the_door(
    command: str, unordered: Path, tmp_path: Path
) -> None:
    options = ("--data", str(unordered), "--event", "glimpse=drop")
    said = invoke(command, *options, folder=tmp_path)
    assert "the order is unknown" in said
    assert "--order file" in said
    assert "--order shuffled" in said
    assert not (tmp_path / "out").exists()


def test_the_advice_of_all_refusals_works(unordered: Path, tmp_path: Path) -> None:
    given = ("--data", str(unordered), "--event", "glimpse=0.5", "--min-rating", "2")
    short = ("--objective", "supervised", "--no-augment", "--epochs", "1")
    for order in ("file", "shuffled"):
        out = tmp_path / order
        with progress.hidden(hide=False):
            printed = run("train", *given, "--order", order, *short, "--out", str(out))
        assert "count as taken, by a rating of 2 or more" in printed
        assert re.search(r"glimpse \(\d+\) as reward 0.5", printed)
        assert "item ids rise along 100% of the steps" in printed or order == "shuffled"
        assert Recommender.load(out).n_items == 60


def test_columns_of_other_names_are_named_on_the_command_line(tmp_path: Path) -> None:
    rows = [f"u{n % 20};{n % 7};{n}" for n in range(100)]
    text = "\n".join(["who,what,wann", *(row.replace(";", ",") for row in rows)]) + "\n"
    (tmp_path / "interactions.csv").write_bytes(text.encode("iso-8859-1"))
    train = ("train", "--data", str(tmp_path), "--objective", "supervised", "--no-augment")
    train += ("--epochs", "1", "--out", str(tmp_path / "out"), "--format", "plain")
    refused = runner.invoke(app, [*train])
    assert "--column user_id=NAME" in " ".join(refused.output.split())
    named = ("--user-field", "who", "--item-field", "what", "--column", "time=wann")
    with progress.hidden(hide=False):
        printed = run(*train, *named, "--encoding", "iso-8859-1")
    assert "wann (as time)" in printed
    bad = runner.invoke(app, ["evaluate", "--data", str(tmp_path), "--column", "wann"])
    assert "column must look like time=date" in " ".join(bad.output.split())


@pytest.mark.parametrize("command", [*COMMANDS, "label"])
def test_options_of_reading_need_files(command: str, tmp_path: Path) -> None:
    options = ("--min-rating", "3")
    if command == "bench offline":  # its settings are judged first
        options += ("--data", str(tmp_path / "nowhere"))
    said = invoke(command, *options, folder=tmp_path)
    assert "--min-rating say how files are read" in said or "no such file or folder" in said


@pytest.mark.parametrize(
    "kind", [DemoSettings, OfflineSettings, SensitivitySettings, StudySettings]
)
def test_runs_keep_how_their_log_was_read(kind: type[RunSettings]) -> None:
    given = {
        "data": "x",
        "event": ("glimpse=0.5", "skip=drop"),
        "events": ("view", "glimpse"),
        "min_rating": 4.0,
        "order": "file",
    }
    if kind is OfflineSettings:
        given["simulator"] = "y"
    settings = kind(**given)
    assert kind.from_json(settings.to_json()) == settings
    words = settings.command.split()
    assert [words[i + 1] for i, w in enumerate(words) if w == "--event"] == list(given["event"])
    assert words[words.index("--min-rating") + 1] == "4"
    assert words[words.index("--events") + 1] == "view,glimpse"
