"""The config of a recommender: its parts, flat keywords, and files of before."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from agents import LEA, SNQN, Recommender, RecommenderConfig, Supervised
from agents.backbones import BACKBONES, CaserConfig, GRU4RecConfig, SASRecConfig
from agents.config import RecommenderTraining
from agents.objectives import FRAMEWORKS, LanguageConfig, SMORLConfig, SNQNConfig
from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import read_json, write_json
from llmrec_env.data.log import InteractionLog
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core


def test_parts_and_flat_keywords_make_the_same_config() -> None:
    parts = RecommenderConfig(
        SASRecConfig(dim=32, layers=1),
        SNQNConfig(gamma=0.9),
        LanguageConfig(state=True, augment_k=5),
        RecommenderTraining(epochs=3),
        tied=True,
    )
    flat = {"dim": 32, "layers": 1, "gamma": 0.9, "state": True, "augment_k": 5, "epochs": 3}
    assert RecommenderConfig.of("sasrec", "snqn", **flat, tied=True) == parts
    assert RecommenderConfig.of(SASRecConfig(dim=32), SNQNConfig(), **flat, tied=True) == parts
    assert RecommenderConfig("sasrec", "snqn") == RecommenderConfig(SASRecConfig(), SNQNConfig())
    lea = LEA("sasrec", reward=False, augment=False, **flat | {"state": True}, tied=True)
    assert lea.config == parts
    assert SNQN(GRU4RecConfig(dim=8)).config == RecommenderConfig.of("gru4rec", "snqn", dim=8)
    assert Supervised(dim=8).config == RecommenderConfig.of(dim=8)


@pytest.mark.parametrize("objective", FRAMEWORKS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_settings_are_the_config_flat(backbone: str, objective: str) -> None:
    config = RecommenderConfig.of(backbone, objective, dim=32, augment=True)
    assert config.settings["dim"] == 32
    assert (config.settings["backbone"], config.settings["objective"]) == (backbone, objective)
    assert RecommenderConfig.of(**config.settings) == config


def test_some_settings_are_replaced() -> None:
    config = RecommenderConfig.of("caser", "smorl", dim=32, novelty_weight=2.0)
    other = config.with_settings(dim=16, epochs=1, tied=True)
    assert other.backbone == replace(config.backbone, dim=16)
    assert other.objective == config.objective
    assert (other.training.epochs, other.tied) == (1, True)
    assert config.with_settings() == config
    named = config.with_settings(backbone="gru4rec", objective="sqn", dim=16)
    assert named == RecommenderConfig.of("gru4rec", "sqn", dim=16)
    rewarded = config.with_settings(language=LanguageConfig(reward=True), state=True)
    assert rewarded.language.variant == "LESR"
    plain = rewarded.with_settings(objective="supervised", reward=False, state=False)
    assert plain == RecommenderConfig.of("caser", dim=32)
    assert Recommender(plain, epochs=2).config == plain.with_settings(epochs=2)
    assert Recommender(objective="sqn", gamma=0.9).config == RecommenderConfig.of(
        objective="sqn", gamma=0.9
    )


def test_layers_are_each_backbones_own_unless_given() -> None:
    def parts(backbone: str, layers: int | None) -> int:
        return len(RecommenderConfig.of(backbone, layers=layers).create(9).encoder.state_dict())

    for backbone, layers in {"sasrec": 2, "gru4rec": 1, "nextitnet": 3}.items():
        assert parts(backbone, None) == parts(backbone, layers) < parts(backbone, layers + 1)


@pytest.mark.parametrize(
    ("backbone", "objective", "settings", "message"),
    [
        ("sasrec", "supervised", {"epocs": 3}, r"no setting is named 'epocs' \(did you mean 'epo"),
        ("sasrec", "supervised", {"qqqqqq": 3}, "no setting is named 'qqqqqq'; there are .*epochs"),
        ("gru4rec", "sqn", {"heads": 3}, "heads is a setting of backbone='sasrec'; .*'gru4rec'"),
        ("caser", "sqn", {"layers": 3}, "backbone='sasrec', backbone='gru4rec', backbone='nexti"),
        ("sasrec", "supervised", {"target": "periodic"}, "objective='sqn', objective='sac', obj"),
        ("sasrec", "sqn", {"negatives": 3}, "setting of objective='snqn', objective='sa2c'; this"),
        ("sasrec", "sqn", {"name": "mine"}, "no setting is named 'name'"),
    ],
)
def test_a_keyword_that_the_config_has_not_is_refused_by_name(
    backbone: str, objective: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        RecommenderConfig.of(backbone, objective, **settings)
    with pytest.raises(SettingError, match=message):
        RecommenderConfig(backbone, objective).with_settings(**settings)


def test_every_setting_has_one_place() -> None:
    language = {field.name for field in fields(LanguageConfig)}
    training = {field.name for field in fields(RecommenderTraining)}
    for backbone in BACKBONES.values():
        for objective in FRAMEWORKS.values():
            names = [{field.name for field in fields(part)} for part in (backbone, objective)]
            together = [*names, language, training, {"tied", "item_init"}]
            assert len(set().union(*together)) == sum(map(len, together))


OLD = {
    **{"objective": "smorl", "state": True, "reward": True, "augment": True, "backbone": "caser"},
    **{"dim": 8, "layers": None, "heads": 2, "window": 3, "horizontal_filters": 16},
    **{"vertical_filters": 4, "kernel_size": 3, "dropout": 0.5, "max_length": 50, "tied": False},
    **{"item_init": "random", "label_smoothing": 0.0, "gamma": 0.5, "negatives": 10},
    **{"q_weight": 0.3, "target": "twin", "target_period": 100, "click_reward": 0.2},
    **{"purchase_reward": 1.0, "warm_up": 2.0, "propensity": 0.0, "accuracy_weight": 1.0},
    **{"diversity_weight": 1.0, "novelty_weight": 2.0, "diversity_vectors": "output"},
    **{"popular_share": 0.1, "proxy_weight": 1.0, "proxy_counts": "history"},
    **{"state_to": "q_head", "state_weight": 1.0, "augment_weight": 0.5, "augment_k": 4},
    **{"augment_schedule": "constant", "augment_passes": 5.0, "augment_share": 1.0},
    **{"temperature": 1.0, "teacher": "language", "learning_rate": 0.003, "weight_decay": 0.4},
    **{"epochs": 1, "patience": 3, "batch_size": 64, "validation_users": 1000, "seed": 0},
    **{"precision": "auto", "device": "cpu"},
}
"""A config as format 1 wrote it: the settings of every backbone and framework, flat."""


def test_recommenders_saved_in_format_1_load(user: TrueTasteUser, tmp_path: Path) -> None:
    fitted = LEA(
        CaserConfig(dim=8, window=3),
        objective=SMORLConfig(q_weight=0.3, novelty_weight=2.0),
        **{"augment_k": 4, "epochs": 1, "batch_size": 64},
    )
    fitted.fit(user.world.log, user).save(tmp_path / "model")
    about = read_json(tmp_path / "model" / "config.json")
    assert about["format"] == 2
    old = {key: about[key] for key in ("n_items", "state_size", "history")}
    old |= {"format": 1, "config": OLD, "catalog_id": about["catalogue_id"]}
    write_json(tmp_path / "model" / "config.json", old)
    loaded = Recommender.load(tmp_path / "model", catalogue=user.catalogue)
    assert loaded.config == fitted.config
    assert (loaded.name, loaded.history) == ("Caser SMORL LEASR", fitted.history)
    assert np.array_equal(loaded.score([[1, 2, 3]]), fitted.score([[1, 2, 3]]))
    loaded.save(tmp_path / "model")  # over it, in the present format
    assert read_json(tmp_path / "model" / "config.json") == about


def test_a_saved_config_holds_its_own_settings_only(
    cycle_log: InteractionLog, tmp_path: Path
) -> None:
    Supervised("gru4rec", dim=8, epochs=1).fit(cycle_log).save(tmp_path / "model")
    config = read_json(tmp_path / "model" / "config.json")["config"]
    assert {"backbone", "objective", "layers", "epochs", "augment", "label_smoothing"} <= set(
        config
    )
    assert not {"heads", "window", "gamma", "negatives", "warm_up"} & set(config)
    assert "popularity" in load_file(tmp_path / "model" / "model.safetensors")
