"""Frameworks as a whole: each fits and is saved, phases, and frameworks of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn
from torch.nn import functional as F

from agents import LossTerm, Recommender, RecommenderConfig
from agents.objectives import FRAMEWORKS, Batch, ObjectiveConfig, Outputs, SNQNConfig, register
from agents.objectives.supervised import NextItem
from llmrec_env.common.errors import DataError, LLMRecError, SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core

MakeConfig = Callable[..., RecommenderConfig]


@pytest.fixture
def fit(user: TrueTasteUser, tiny: MakeConfig) -> Callable[..., Recommender]:
    """Fit a small recommender to 10 users."""
    log = user.world.log
    train, held_out = log.select_users(range(10)), log.select_users(range(20, 25))

    def run(folder: Path | None = None, **settings: object) -> Recommender:
        recommender = Recommender(tiny(**{"backbone": "gru4rec", **settings}))
        return recommender.fit(train, user, held_out, folder=folder)

    return run


@pytest.fixture
def own() -> Iterator[None]:
    """Frameworks that a test registers are gone after it."""
    before = dict(FRAMEWORKS)
    yield
    FRAMEWORKS.clear()
    FRAMEWORKS.update(before)


def test_all_objectives_are_there() -> None:
    published = ["supervised", "sqn", "sac", "snqn", "sa2c", "smorl", "proxy"]
    assert list(FRAMEWORKS) == published


@pytest.mark.parametrize("lea", [False, True], ids=["plain", "LEASR"])
@pytest.mark.parametrize("objective", list(FRAMEWORKS))
def test_every_framework_fits_and_is_saved(
    objective: str, lea: bool, fit: Callable[..., Recommender], tmp_path: Path
) -> None:
    has_q = bool(FRAMEWORKS[objective]().q_weights)
    switches = {"state": lea, "reward": lea} if has_q else {}
    own = {"sac": {"warm_up": 1}, "sa2c": {"warm_up": 1, "propensity": 0.5}}.get(objective, {})
    fitted = fit(objective=objective, augment=lea, **own, **switches)
    losses = {"supervised"} | {
        "sqn": {"q_logged"},
        "sac": {"q_logged"},
        "snqn": {"q_logged", "q_negative"},
        "sa2c": {"q_logged", "q_negative"},
        "smorl": {"q_smorl"},
        "proxy": {"proxy"},
    }.get(objective, set())
    if lea:
        losses |= {"augmented"} | ({"q_augmented"} if has_q else set())
    assert set(fitted.history[-1]) == {"step", "HR@10", "NDCG@10", "mask_seen"} | losses
    fitted.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    assert (loaded.config, loaded.name) == (fitted.config, fitted.name)
    histories = [np.array([3, 1]), np.array([2])]
    assert np.array_equal(loaded.score(histories), fitted.score(histories))


@pytest.mark.parametrize(("actor", "without"), [("sac", "sqn"), ("sa2c", "snqn")])
def test_a_warm_up_is_the_framework_without_weights(
    actor: str, without: str, fit: Callable[..., Recommender]
) -> None:
    plain = fit(objective=without, epochs=3)
    assert fit(objective=actor, epochs=3, warm_up=3).history == plain.history
    switched = fit(objective=actor, epochs=3, warm_up=2).history
    assert switched[:3] == plain.history[:3]
    assert switched[3] != plain.history[3]


@pytest.mark.parametrize("objective", ["sac", "sa2c"])
@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_killed_run_goes_on_in_its_phase(
    objective: str,
    killed_after: int,
    fit: Callable[..., Recommender],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {"objective": objective, "epochs": 4, "warm_up": 2, "patience": 0}
    whole = fit(**settings)
    validate, calls = Recommender._validate, []

    def killed(self: Recommender, log: InteractionLog, masked: bool) -> dict[str, float]:
        if len(calls) > killed_after:
            raise KeyboardInterrupt
        calls.append(log)
        return validate(self, log, masked)

    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "_validate", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "run", **settings)
    again = fit(tmp_path / "run", **settings)
    assert again.history == whole.history
    assert np.array_equal(again.score([[1, 2]]), whole.score([[1, 2]]))


def test_a_checkpoint_of_another_objective_is_not_continued(
    fit: Callable[..., Recommender], tmp_path: Path
) -> None:
    fit(tmp_path / "run", objective="sqn")
    with pytest.raises(LLMRecError, match="another run"):
        fit(tmp_path / "run", objective="sac")


class LastItem(LossTerm):
    """Toy: tell from the state whether the last item has an odd number."""

    name = "odd"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        return F.cross_entropy(outputs.head("odd"), batch.items[batch.owned] % 2)


def test_a_term_of_ones_own_joins_any_framework(
    own: None, fit: Callable[..., Recommender], tmp_path: Path
) -> None:
    @register
    @dataclass(frozen=True, kw_only=True)
    class OddSNQNConfig(SNQNConfig):
        name = "snqn_odd"

        def terms(self) -> list[LossTerm]:
            return [*super().terms(), LastItem()]

        @property
        def heads(self) -> dict[str, int | None]:
            return {"odd": 2}

    settings = {"objective": "snqn_odd", "state": True, "augment": True, "learning_rate": 0.02}
    fitted = fit(epochs=10, **settings)
    assert fitted.name == "GRU4Rec snqn_odd LEAS"
    losses = [row["odd"] for row in fitted.history[1:]]
    assert losses[-1] < 0.5 * losses[0]
    assert {"q_logged", "q_negative", "augmented", "q_augmented"} < set(fitted.history[-1])
    fitted.save(tmp_path / "model")
    assert np.array_equal(Recommender.load(tmp_path / "model").score([[1]]), fitted.score([[1]]))
    del FRAMEWORKS["snqn_odd"]
    with pytest.raises(DataError, match=r"'snqn_odd'.*registered first"):
        Recommender.load(tmp_path / "model")


def test_a_framework_of_ones_own_declares_what_it_needs(
    own: None, fit: Callable[..., Recommender]
) -> None:
    seen: list[Batch] = []

    class Draws(LossTerm):
        name = "draws"

        def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
            seen.append(batch)
            return outputs.head("own", batch.negatives).square().mean()

    @register
    @dataclass(frozen=True, kw_only=True)
    class MyConfig(ObjectiveConfig):
        name = "mine"
        title = "Mine"
        drawn: int = 3

        def terms(self) -> list[LossTerm]:
            return [NextItem(), Draws()]

        @property
        def heads(self) -> dict[str, int | None]:
            return {"own": None}

        @property
        def n_negatives(self) -> int:
            return self.drawn

    fitted = fit(objective="mine")
    assert isinstance(fitted.network.heads["own"], nn.Linear)
    assert fitted.network.q_head is None
    assert {batch.negatives.shape[1] for batch in seen} == {3}
    assert [b.passes for b in seen] == pytest.approx([2 * i / len(seen) for i in range(len(seen))])
    with pytest.raises(SettingError, match="'mine' is registered already"):
        register(FRAMEWORKS["mine"])
    with pytest.raises(SettingError, match="which objective='mine' has not"):
        fit(objective="mine", reward=True)
