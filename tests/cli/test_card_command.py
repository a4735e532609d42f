"""``llmrec card`` as a person runs it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml
from commands import run, runner

from llmrec_env.cli import app
from llmrec_env.evaluation.fidelity import FidelityCard
from llmrec_env.language.saving import saved_fingerprint
from llmrec_env.users.language import LanguageUser


@pytest.fixture(scope="module")
def le(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card") / "le"
    where = ("--data", str(data), "--out", str(folder))
    run("fit", *where, "--no-language-model", "--budget", "0.05")
    return folder


def test_a_card_is_made_saved_and_found_beside_its_simulator(data: Path, le: Path) -> None:
    for module in ("scipy", "matplotlib"):
        pytest.importorskip(module)
    where = ("--data", str(data))
    before = saved_fingerprint(le)
    (le / "README.md").write_text("somebody's own", encoding="utf-8")
    asked = ["card", *where, "--other", str(data), "--baselines", "ease", str(le)]
    printed = run(*asked)
    first, last = (printed.index(own) for own in ("First are learned", "In short"))
    assert first < last
    assert "Calibration error" not in printed  # the tables stand in the report
    assert "$ llmrec" not in printed
    assert f"Every table and figure: {le / 'card' / 'report.html'}" in printed.replace("\n", "")
    assert "Nothing will be saved" not in printed
    assert "What to do" in printed
    command = json.loads((le / "card" / "config.json").read_text(encoding="utf-8"))["command"]
    assert command.startswith("llmrec card ")
    assert sorted(shlex.split(command)) == sorted(["llmrec", *asked])
    kept = FidelityCard.load(le).counterfactual["simulator"]  # on the same log all is kept
    assert kept["kept, popular"].mean == 1.0
    assert (le / "README.md").read_text(encoding="utf-8") == "somebody's own"
    (le / "README.md").unlink()
    run("card", str(le), *where, "--baselines", "none", "--language", "en")
    card = FidelityCard.load(le)
    assert FidelityCard.of(LanguageUser.from_pretrained(le)) == card
    assert saved_fingerprint(le) == before  # a card changes no simulator
    assert (le / "card" / "report.html").exists()
    text = (le / "README.md").read_text(encoding="utf-8")
    metadata = yaml.safe_load(text.split("---")[1])
    assert metadata["library_name"] == "llmrec-env"
    assert metadata["language"] == ["en"]
    assert "made without a language model" in text
    found = {m["name"]: m["value"] for m in metadata["model-index"][0]["results"][0]["metrics"]}
    assert found["ECE of acceptance"] == pytest.approx(card.ece.mean, abs=1e-4)
    cards = le.with_name("cards")
    cards.mkdir()
    (cards / "card.json").write_bytes((le / "card.json").read_bytes())
    other = runner.invoke(app, ["card", "--out", str(cards), "--baselines", "none"])
    assert other.exit_code == 1
    assert "is not the card of this simulated user" in " ".join(other.output.split())
    assert FidelityCard.load(le) == card
    for picture in (line for line in text.splitlines() if line.startswith("![")):
        assert (le / picture.partition("](")[2].rstrip(")")).exists()


def test_a_card_replaces_and_joins_nothing_of_somebody_else(data: Path, tmp_path: Path) -> None:
    def refused(*arguments: str) -> str:
        result = runner.invoke(app, ["card", *arguments, "--baselines", "none"])
        assert result.exit_code == 1
        return result.output

    assert "did not make" in refused("--out", str(data))  # a folder of data
    for name in ("card.json", "card/report.html", "README.md"):
        mine = tmp_path / name.replace("/", "_") / name
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.write_text('{"my": "own"}', encoding="utf-8")
        place = tmp_path / name.replace("/", "_")
        assert f"holds {name.split('/')[0]}, which" in refused("true-taste", "--out", str(place))
        assert mine.read_text(encoding="utf-8") == '{"my": "own"}'


def test_who_has_no_folder_is_told_so_first_and_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ((), ("embedded",), ("true-taste",)):  # refused before anything is learned
        result = runner.invoke(app, ["card", *name, "--baselines", "none", "--other", "nowhere"])
        assert result.exit_code == 1
        assert "Nothing will be saved: name a folder with --out" in result.output
    assert not list(tmp_path.iterdir())


def test_who_learned_from_others_of_the_split_gets_no_card(data: Path, le: Path) -> None:
    where = (str(le), "--data", str(data))
    result = runner.invoke(app, ["card", *where, "--seed", "1", "--baselines", "none"])
    assert result.exit_code == 1
    assert "learned from other users" in result.output
    unknown = runner.invoke(app, ["card", *where, "--baselines", "oracle"])
    assert "baselines must be some of" in unknown.output
    assert "First are learned" not in unknown.output  # nothing is announced that cannot be
