"""A whole table of fidelity on a tiny log: killed, continued, grown, and what it leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rated_world import HELD_OUT, rated_log

from llmrec_env.common.errors import SettingError
from llmrec_env.experiments.fidelity import FidelitySettings, run_fidelity
from llmrec_env.experiments.fidelity.measuring import measure_row
from llmrec_env.experiments.rerun import PROGRAMS

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FidelitySettings:
    folder = tmp_path_factory.mktemp("log")
    log = rated_log()
    log.to_table().write_csv(folder / "interactions.csv")
    log.catalogue.table.write_csv(folder / "items.csv")
    return FidelitySettings(
        data=str(folder), rows=("popularity", "mean"), splits=2, held_out=HELD_OUT
    )


def test_a_table_grows_by_rows_and_keeps_what_is_done(
    settings: FidelitySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_fidelity(replace(settings, rows=("popularity",)), tmp_path / "run", workers=1)
    done = []

    def counted(*arguments: object) -> object:
        done.append(arguments)
        return measure_row(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("llmrec_env.experiments.fidelity.run.measure_row", counted)
    report = run_fidelity(settings, tmp_path / "run", workers=1)
    assert len(done) == 4, "of the mean alone: two logs, two splits"
    table = json.loads((tmp_path / "run" / "rows.json").read_text())
    assert len(table["cells"]) == 2 * 2 * 2
    assert {section.title for section in report.sections} > {
        "ten ratings, log of users who rated everything"
    }
    for cell in table["cells"]:
        told = cell["metrics"]["Spearman"]
        assert cell["splits"] == 2
        assert told["low"] < told["mean"] < told["high"]
        assert cell["against"]["row"] != cell["row"]
        assert 0 <= cell["against"]["p"] <= 1
    best, other = table["cells"][:2]
    apart = best["metrics"]["Spearman"]["mean"] - other["metrics"]["Spearman"]["mean"]
    assert best["against"]["mean"] == pytest.approx(apart, abs=1e-4)
    assert other["against"]["mean"] == pytest.approx(-apart, abs=1e-4)
    assert (tmp_path / "run" / "report.html").exists()
    with pytest.raises(SettingError, match="other settings"):
        run_fidelity(replace(settings, protocol="rated"), tmp_path / "run", workers=1)


def test_a_run_is_known_by_its_folder(settings: FidelitySettings) -> None:
    of_kind, _ = PROGRAMS[FidelitySettings.KIND]()
    assert of_kind.from_json(settings.to_json()) == settings
    assert settings.command.startswith("llmrec bench fidelity --data ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": None}, "--data"),
        ({"rows": ("nobody",)}, "popularity"),
        ({"splits": 0}, "splits"),
        ({"protocol": "guess"}, "protocol"),
    ],
)
def test_wrong_settings_are_named(
    settings: FidelitySettings, change: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        replace(settings, **change)  # type: ignore[arg-type]
