"""A backbone and a framework of somebody else's, with settings of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from agents import LEA, Recommender, RecommenderConfig
from agents.backbones import BACKBONES, BackboneConfig, Reading, SequenceEncoder, register_backbone
from agents.objectives import (
    FRAMEWORKS,
    Batch,
    LossTerm,
    ObjectiveConfig,
    Outputs,
    SNQNConfig,
    register,
)
from agents.settings import check_share
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core

MakeConfig = Callable[..., RecommenderConfig]


class FadingMean(SequenceEncoder):
    """Toy: a mean of the items so far that forgets."""

    def __init__(self, n_items: int, dim: int, decay: float) -> None:
        super().__init__(n_items, dim)
        self.decay = decay

    def read(self, items: Tensor) -> Reading:
        vectors, state, states = self.item_embedding(items), 0.0, []
        for t in range(items.shape[1]):
            state = self.decay * state + vectors[:, t]
            states.append(state)
        together = torch.stack(states, dim=1)
        return Reading(together, [together])

    def extend(self, reading: Reading, appended: Tensor) -> Tensor:
        return self.decay * reading.memory[0] + self.item_embedding(appended)


@dataclass(frozen=True)
class Shrink(LossTerm):
    """Toy: keep the Q-values of the logged actions small."""

    weight: float
    name = "shrink"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        return self.weight * outputs.logged_q.square().mean()


@pytest.fixture(autouse=True)
def own() -> Iterator[None]:
    """The members that these tests register; gone afterwards."""
    before = dict(BACKBONES), dict(FRAMEWORKS)

    @register_backbone
    @dataclass(frozen=True, kw_only=True)
    class FadingMeanConfig(BackboneConfig):
        name = "fading_mean"
        decay: float = 0.9

        def __post_init__(self) -> None:
            super().__post_init__()
            check_share(self, "decay")

        def create(self, n_items: int) -> FadingMean:
            return FadingMean(n_items, self.dim, self.decay)

    @register
    @dataclass(frozen=True, kw_only=True)
    class ShrunkSNQNConfig(SNQNConfig):
        name = "snqn_shrunk"
        shrinkage: float = 0.1

        def terms(self) -> list[LossTerm]:
            return [*super().terms(), Shrink(self.shrinkage)]

    yield
    for registry, members in zip((BACKBONES, FRAMEWORKS), before, strict=True):
        registry.clear()
        registry.update(members)


@pytest.mark.parametrize("lea", [False, True], ids=["plain", "LEASR"])
def test_they_are_fitted_saved_loaded_and_served_by_flat_keywords(
    lea: bool, user: TrueTasteUser, tiny: MakeConfig, tmp_path: Path
) -> None:
    log = user.world.log
    config = tiny(backbone="fading_mean", objective="snqn_shrunk", decay=0.5, shrinkage=2.0)
    if lea:
        config = config.with_settings(state=True, reward=True, augment=True)
    fitted = Recommender(config).fit(log, user if lea else None, log)
    assert fitted.name == f"fading_mean snqn_shrunk {'LEASR' if lea else ''}".strip()
    assert fitted.network.encoder.decay == 0.5
    losses = {"supervised", "q_logged", "q_negative", "shrink"}
    losses |= {"augmented", "q_augmented"} if lea else set()
    assert set(fitted.history[-1]) == {"step", "HR@10", "NDCG@10", "mask_seen"} | losses
    fitted.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    assert loaded.config == fitted.config
    assert np.array_equal(loaded.recommend([[1, 2]], k=5), fitted.recommend([[1, 2]], k=5))
    del BACKBONES["fading_mean"]
    with pytest.raises(DataError, match=r"'fading_mean'.*agents\.backbones\.register_backbone"):
        Recommender.load(tmp_path / "model")


def test_a_setting_of_ones_own_changes_what_is_learned(
    user: TrueTasteUser, tiny: MakeConfig
) -> None:
    def loss(**settings: float) -> float:
        config = tiny(backbone="fading_mean", objective="snqn_shrunk", **settings)
        return Recommender(config).fit(user.world.log).history[-1]["shrink"]

    assert loss(shrinkage=0.0) == 0.0 < loss(shrinkage=0.5)
    assert loss(decay=0.1) != loss(decay=0.9)


def test_the_presets_take_them_and_their_errors_name_them() -> None:
    lea = LEA("fading_mean", objective="snqn_shrunk", decay=0.3, shrinkage=0.2, dim=8)
    assert lea.config.settings["decay"] == 0.3
    assert lea.name == "fading_mean snqn_shrunk LEASR"
    with pytest.raises(SettingError, match="decay is a setting of backbone='fading_mean'"):
        RecommenderConfig.of("sasrec", decay=0.3)
    with pytest.raises(SettingError, match=r"'shrinkge' \(did you mean 'shrinkage'"):
        LEA("fading_mean", objective="snqn_shrunk", shrinkge=0.3)
    with pytest.raises(SettingError, match=r"decay must lie in \[0, 1\]"):
        LEA("fading_mean", decay=2.0)


def test_what_cannot_be_registered_is_refused() -> None:
    with pytest.raises(SettingError, match="'snqn' is registered already"):
        register(SNQNConfig)
    with pytest.raises(SettingError, match="must be a dataclass"):
        register(type("Bare", (), {"name": "bare"}))
    with pytest.raises(SettingError, match="needs a name"):
        register_backbone(BackboneConfig)

    @dataclass(frozen=True, kw_only=True)
    class Clash(SNQNConfig):
        name = "clash"
        dim: int = 3

    with pytest.raises(SettingError, match="two parts have a setting 'dim'"):
        RecommenderConfig("sasrec", register(Clash)())

    @dataclass(frozen=True, kw_only=True)
    class Demanding(ObjectiveConfig):
        name = "demanding"
        needed: int

        def terms(self) -> list[LossTerm]:
            return []

    with pytest.raises(SettingError, match=r"Demanding.*every setting needs a default"):
        register(Demanding)
