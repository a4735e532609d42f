"""Every kind of LE, teacher and fusion that a study's rows name, on a tiny world."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from agents.fusion import WEIGHTS
from agents.item_init import principal_table
from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import read_json
from llmrec_env.experiments.study import StudySettings, run_study
from llmrec_env.experiments.study.fit import fit_method
from llmrec_env.experiments.study.language_simulators import LANGUAGE_SIMULATORS
from llmrec_env.experiments.study.methods import METHODS
from llmrec_env.experiments.study.simulators import item_vectors, open_simulator
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.experiments.study.teachers import TEACHERS, open_teacher
from llmrec_env.language import item_tokens
from llmrec_env.reporting import Report

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytestmark = pytest.mark.slow

OF_KINDS = [
    "soft targets" if name == "LE" else f"{name} targets"
    for name in LANGUAGE_SIMULATORS
    if name not in ("LE 30%", "LE pooled", "LE without ids", "LE unpretrained")
]
OTHERS = (
    *("LE and item-kNN targets", "plain and LE in service", "two plain in service"),
    *("text-initialised", "LE-initialised"),
)
SETTINGS = StudySettings(
    backbones=("gru4rec",),
    methods=("plain", *OF_KINDS, *OTHERS),
    seeds=1,
    splits=1,
    trials=0,
    budget=0.01,
    world_size=(60, 60),
)


class Study(NamedTuple):
    """A finished study, and how many blocks of item tokens were learned for it."""

    report: Report
    out: Path
    blocks: int

    def context(self, split: int = 0) -> SplitContext:
        return SplitContext(SETTINGS, self.out, split)

    def about(self, simulator: str) -> dict[str, object]:
        name = simulator.replace(" ", "_")
        return dict(read_json(self.out / "split0/simulators" / name / "model/config.json"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMREC_CACHE", str(out / "cache"))
        learned, learn = [], item_tokens._learn_block

        def counted(*arguments: object) -> object:
            learned.append(1)
            return learn(*arguments)  # type: ignore[arg-type]

        patch.setattr(item_tokens, "_learn_block", counted)
        report = run_study(SETTINGS, out / "run", workers=1)
        yield Study(report, out / "run", len(learned))


def test_every_row_is_there(study: Study) -> None:
    rows = {row[0] for row in study.report.table("Next-item ranking").rows}
    assert {f"gru4rec {name}" for name in SETTINGS.methods} <= rows
    beyond = study.report.table("Lists and returns")
    assert list(beyond.columns[-2:]) == ["return, LE", "return, true"]
    by_name = {str(row[0]): row for row in beyond.rows}
    assert by_name["popularity"][1] < by_name["item-kNN"][1]  # coverage
    assert all(value is not None and value > 0 for value in by_name["gru4rec plain"][-2:])


def test_the_texts_are_read_once_for_all_kinds(study: Study) -> None:
    assert study.blocks == 2  # of 60 items: of all their texts, and of their titles


def test_kinds_are_what_they_say(study: Study) -> None:
    users = study.context().source.split.train.n_users
    learning = study.about("LE")["record"]["learning"]  # type: ignore[index]
    assert learning["users"] == users
    tenth = study.about("LE 10%")["record"]["learning"]  # type: ignore[index]
    assert tenth["users"] == round(0.1 * users)
    assert "learning" not in study.about("frozen text")["record"]  # type: ignore[operator]
    assert study.about("bag of items")["silent"]
    assert study.about("text without LM")["silent"]
    assert not study.about("LE without text")["silent"]
    assert "item_tokens" not in study.about("LE without text")["record"]  # type: ignore[operator]
    of_titles = open_simulator("LE of titles", study.context()).catalogue
    assert of_titles.text_columns == ["title"]
    assert of_titles.ids == study.context().source.split.train.catalogue.ids


def test_teachers_propose_what_nobody_owns(study: Study) -> None:
    context = study.context()
    log = context.source.split.train
    for name in TEACHERS:
        found = open_teacher(name, context, 5)
        assert found.actions.shape == (len(log), 5)
        for row in np.flatnonzero(log.row_goes_on)[:50]:
            own = log.sequence(log.row_users[row])
            assert not set(own.tolist()) & set(found.actions[row].tolist())
    with pytest.raises(SettingError, match="no teacher is named 'guru'"):
        open_teacher("guru", context)


def test_a_mixture_holds_something_of_both(study: Study) -> None:
    context = study.context()
    states = open_simulator("LE", context).label(context.source.split.train).states
    both = open_teacher("LE and item-kNN", context)
    rows = np.flatnonzero(context.source.split.train.row_goes_on)[:20]
    own, _ = open_simulator("LE", context).best_items(
        states[rows], 1, (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    )
    neighbours = open_teacher("item-kNN", context).actions[rows, 0]
    listed = [set(both.actions[row].tolist()) for row in rows]
    held = [n in found for n, found in zip(neighbours.tolist(), listed, strict=True)]
    assert np.mean(held) > 0.8
    assert any(item in found for item, found in zip(own[:, 0].tolist(), listed, strict=True))


def test_validation_chooses_the_weight_of_a_fusion(study: Study) -> None:
    for name in ("plain and LE in service", "two plain in service"):
        row = read_json(
            study.out / "split0/runs/gru4rec" / name.replace(" ", "_") / "seed0/row.json"
        )
        assert row["chosen"]["fusion weight"] in WEIGHTS
        assert row["returns"] == {}


def test_embeddings_begin_as_the_vectors_of_their_simulator(study: Study) -> None:
    context = study.context()
    for name, simulator in (("text-initialised", "frozen text"), ("LE-initialised", "LE")):
        method = METHODS[name]
        still = method.config("gru4rec", epochs=1, learning_rate=1e-9)
        fitted = fit_method(method, context, still).network.item_inputs.detach().numpy()
        vectors = item_vectors(simulator, context).astype(np.float64)
        assert np.allclose(fitted, principal_table(vectors, still.backbone.dim), atol=1e-6)
