"""Methods are complete: what they name exists, and the defaults are among what is tried."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from agents.backbones import BACKBONES
from llmrec_env.cli import app
from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import write_json
from llmrec_env.experiments.study import METHODS, Method, StudySettings
from llmrec_env.experiments.study.comparisons import compare, findings
from llmrec_env.experiments.study.search import STARTUP, _identity, _propose, chosen, defaults
from llmrec_env.experiments.study.simulators import SIMULATORS
from llmrec_env.experiments.study.space import HOST
from llmrec_env.experiments.study.split_context import as_name
from llmrec_env.experiments.study.teachers import TEACHERS

RUNNER = CliRunner()


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_a_method_names_what_exists_and_can_be_learned(method: Method) -> None:
    for backbone in BACKBONES:
        config = method.config(backbone)
        served = {method.simulator, method.teacher} != {None}
        assert served or not config.needs_simulator
        usual = defaults(backbone, method)
        assert all(value in method.space[name] for name, value in usual.items())
    assert method.simulator is None or method.simulator in SIMULATORS
    assert method.framework is None or method.framework in METHODS
    assert method.simulator is not None or method.role != "language"
    assert method.teacher is None or method.teacher in TEACHERS


def test_no_two_methods_share_a_folder() -> None:
    assert len({as_name(name).lower() for name in METHODS}) == len(METHODS)


def test_trials_begin_with_the_defaults_and_draw_the_host_alike_for_all() -> None:
    pytest.importorskip("optuna")
    plain, leasr = METHODS["plain"], METHODS["LEASR"]
    assert _propose(leasr, "sasrec", [], 0) == defaults("sasrec", leasr)
    found = {}
    for method in (plain, leasr):
        trials: list[dict[str, object]] = []
        for number in range(STARTUP):
            params = _propose(method, "sasrec", trials, number)
            assert all(value in method.space[name] for name, value in params.items())
            assert params == _propose(method, "sasrec", trials, number)
            trials.append({"params": params, "value": None if number == 1 else 0.1})
        found[method.name] = [{name: t["params"][name] for name in HOST} for t in trials]  # type: ignore[index]
    assert found["plain"] == found["LEASR"]
    assert len({str(params) for params in found["plain"]}) == STARTUP


def test_the_host_alone_may_be_tuned(tmp_path: Path) -> None:
    settings = StudySettings(methods=("LEASR", "SNQN"), trials=2, tune="host")
    assert [method.name for method in settings.searches] == ["plain"]
    plain = METHODS["plain"]
    trials = [
        {"params": {**defaults("sasrec", plain), "dim": dim}, "value": value, "seconds": 1.0}
        for dim, value in ((64, 0.1), (128, 0.2))
    ]
    path = tmp_path / "search" / "sasrec" / "plain.json"
    write_json(path, {"method": _identity("sasrec", plain), "trials": trials})
    for name in settings.methods:
        found = chosen(settings, tmp_path, "sasrec", METHODS[name])
        assert found == {**defaults("sasrec", plain), "dim": 128}
        METHODS[name].config("sasrec", **found)  # fits it
    # What a method is about stays, whatever host plain chose.
    assert not found["tied"]
    assert METHODS["tied"].config("sasrec", **found).tied
    with pytest.raises(SettingError, match="tune must be"):
        StudySettings(tune="all")  # type: ignore[arg-type]


def test_like_is_held_against_like(tmp_path: Path) -> None:
    """The best control: of those without text too, and no ensemble beside what serves alone."""
    pytest.importorskip("scipy")
    names = ("plain", "item-kNN targets", "frozen text targets", "soft targets")
    fused = ("two plain in service", "plain and LE in service")
    settings = StudySettings(backbones=("sasrec",), methods=(*names, *fused))
    rows = ["popularity", "item-kNN", *(f"sasrec {name}" for name in settings.methods)]
    validation = dict(zip(rows, (0.0, 0.2, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7), strict=True))
    users = {
        name: pl.DataFrame(
            {"split": 0, "seed": 0, "user_id": ["a", "b"], "steps": 1, "NDCG@10": [value, value]}
        )
        for name, value in validation.items()
    }
    others = {
        comparison.reference: {ours: other for ours, (other, *_) in comparison.rows.items()}
        for comparison in compare(settings, users, validation)
    }
    assert others["the best control"] == {
        "sasrec soft targets": "sasrec frozen text targets",
        "sasrec plain and LE in service": "sasrec two plain in service",
    }
    assert others["the best control without text"] == {
        "sasrec soft targets": "sasrec item-kNN targets",
        "sasrec plain and LE in service": "sasrec two plain in service",
    }
    assert set(others["item-kNN"].values()) == {"item-kNN"}
    assert others["what it builds on"]["sasrec soft targets"] == "sasrec frozen text targets"
    weaker = {**validation, "sasrec two plain in service": 0.05}
    again = {c.reference: c.rows for c in compare(settings, users, weaker)}["the best control"]
    assert again["sasrec plain and LE in service"][0] == "sasrec frozen text targets"


def test_names_may_be_written_in_any_case_and_twice() -> None:
    settings = StudySettings(methods=("PLAIN", "snqn", "plain "))
    assert settings.methods == ("plain", "SNQN")
    assert StudySettings(backbones=("sasrec", "sasrec")).backbones == ("sasrec",)


def test_what_is_beaten_what_beats_and_what_is_open_are_told_apart() -> None:
    pytest.importorskip("scipy")
    settings = StudySettings(backbones=("sasrec",), methods=("plain", "SNQN", "LEASR"))
    rng = np.random.default_rng(0)
    level = {"popularity": 0.0, "item-kNN": 0.4}
    level |= {"sasrec plain": 0.1, "sasrec SNQN": 0.3, "sasrec LEASR": 0.3}
    users = {
        name: pl.DataFrame(
            {"split": 0, "seed": 0, "user_id": [*map(str, range(50))], "steps": 1}
        ).with_columns(pl.Series("NDCG@10", value + 0.01 * rng.standard_normal(50)))
        for name, value in level.items()
    }
    told = [finding.statement for finding in findings(compare(settings, users, level), settings)]
    assert told == [
        "sasrec LEASR ranks better than plain",
        "Not shown: sasrec LEASR ranks better than its framework",
        "Refuted: sasrec LEASR ranks better than the best control",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("plain", "LEAPFROG")}, "no method is named 'LEAPFROG'.*plain.*LEASR"),
        ({"backbones": ("bert",)}, "no backbone is named 'bert'.*sasrec, gru4rec"),
        ({"methods": ()}, "methods is empty"),
        ({"seeds": 0}, "seeds must be 1 or more"),
        ({"trials": -1}, "trials must be 0 or more"),
        ({"budget": 0.0}, "budget must be a positive number"),
        ({"budget": float("nan")}, "budget must be a positive number, got nan"),
    ],
)
def test_what_does_not_exist_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        replace(StudySettings(), **changes)


def test_a_wrong_name_is_one_line_that_lists_the_right_ones(tmp_path: Path) -> None:
    command = ["bench", "--methods", "plain,LEAPFROG", "--out", str(tmp_path / "study")]
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 1
    assert "no method is named 'LEAPFROG'" in result.output
    assert "co-occurrence targets" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "study").exists()


def test_the_command_of_a_study_makes_the_same_study() -> None:
    settings = StudySettings("log folder", ("sasrec",), ("plain", "soft targets"), 2, 1, trials=4)
    assert settings.command == (
        "llmrec bench --data 'log folder' --backbones sasrec --methods 'plain,soft targets' "
        "--seeds 2 --splits 1 --trials 4"
    )
    assert replace(settings, patience=8).command == f"{settings.command} --patience 8"
    assert replace(settings, le_epochs=9).command == f"{settings.command} --le-epochs 9"
    assert replace(settings, patience=8).passes == {"epochs": 20, "patience": 8}
