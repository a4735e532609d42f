"""The LE state in three places, and the weight of the proposed actions over time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agents import Recommender, RecommenderConfig
from agents.data import TrainingData
from agents.objectives import Outputs
from agents.objectives.lea import AugmentedNextItem, DistilledState, Schedule
from llmrec_env.common.errors import LLMRecError, SettingError
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core

MakeConfig = Callable[..., RecommenderConfig]
FUSED = {"state": True, "state_to": "fused"}
DISTILLED = {"state": True, "state_to": "distilled"}


def test_a_fused_state_begins_as_the_encoders_own(tiny: MakeConfig) -> None:
    torch.manual_seed(0)
    network = tiny(**FUSED).create(9, state_size=5)
    states, language = torch.randn(4, 16), torch.randn(4, 5)
    assert torch.equal(network.fuse(states, language), states)
    assert network.fusion is not None
    torch.nn.init.normal_(network.fusion.weight)
    expected = states + 5**0.5 * language @ network.fusion.weight.T
    torch.testing.assert_close(network.fuse(states, language), expected)


@pytest.mark.parametrize("objective", ["supervised", "snqn"])
def test_a_fused_recommender_serves_with_its_simulator(
    objective: str, user: TrueTasteUser, tiny: MakeConfig, tmp_path: Path
) -> None:
    log = user.world.log
    fitted = Recommender(tiny(objective=objective, **FUSED)).fit(log, user)
    assert fitted.network.fusion is not None
    assert fitted.network.fusion.weight.abs().max() > 0
    sequence = log.sequence(0)[:6]
    steps = fitted.score_steps([sequence])
    prefixes = fitted.score([sequence[:n] for n in range(1, 6)])
    assert steps == pytest.approx(prefixes, abs=1e-4)
    fitted.save(tmp_path / "fused")
    alone = Recommender.load(tmp_path / "fused")
    with pytest.raises(LLMRecError, match="simulator"):
        alone.score([sequence])
    again = Recommender.load(tmp_path / "fused", simulator=user)
    assert again.score([sequence]) == pytest.approx(fitted.score([sequence]), abs=1e-5)


def test_a_distilled_state_is_learned_and_needs_no_simulator_in_service(
    user: TrueTasteUser, tiny: MakeConfig, tmp_path: Path
) -> None:
    log = user.world.log
    fitted = Recommender(tiny(epochs=8, learning_rate=1e-2, **DISTILLED)).fit(log, user)
    losses = [row["state"] for row in fitted.history if "state" in row]
    assert losses[-1] < 0.7 * losses[0]
    fitted.save(tmp_path / "distilled")
    again = Recommender.load(tmp_path / "distilled")
    sequence = [log.sequence(1)]
    assert np.array_equal(again.score(sequence), fitted.score(sequence))


def test_distillation_is_one_minus_the_cosine(user: TrueTasteUser, tiny: MakeConfig) -> None:
    config = tiny(**DISTILLED)
    data = TrainingData.prepare(user.world.log, user, config)
    batch = data.batch(np.arange(3), np.random.default_rng(0), torch.device("cpu"))
    torch.manual_seed(0)
    network = config.create(user.n_items, data.states.shape[1]).eval()
    told = network.heads["language"](network.encoder(batch.items)[batch.owned])
    assert batch.language is not None
    norms = told.norm(dim=1) * batch.language.norm(dim=1)
    expected = (1 - (told * batch.language).sum(dim=1) / norms).mean()
    term = DistilledState(weight=0.3)
    torch.testing.assert_close(term(Outputs(network, network, batch), batch), 0.3 * expected)
    assert any(isinstance(term, DistilledState) for term in config.terms())


def test_without_a_q_head_a_state_goes_elsewhere(tiny: MakeConfig) -> None:
    with pytest.raises(SettingError, match="state_to"):
        tiny(state=True)
    assert tiny(**FUSED).needs_simulator
    with pytest.raises(SettingError, match="q_head, fused, distilled"):
        tiny(objective="snqn", state=True, state_to="nowhere")


def test_lambda_rises_falls_or_stays() -> None:
    assert [Schedule("rise", 4).share(p) for p in (0, 1, 4, 9)] == [0, 0.25, 1, 1]
    assert [Schedule("fall", 4).share(p) for p in (0, 1, 4, 9)] == [1, 0.75, 0, 0]
    assert [Schedule("constant", 4).share(p) for p in (0, 9)] == [1, 1]


def test_the_schedule_scales_what_the_proposals_teach(
    user: TrueTasteUser, tiny: MakeConfig
) -> None:
    config = tiny(augment=True, augment_schedule="rise", augment_passes=2.0)
    data = TrainingData.prepare(user.world.log, user, config)
    batch = data.batch(np.arange(3), np.random.default_rng(0), torch.device("cpu"), passes=0.5)
    network = config.create(user.n_items).eval()
    (term,) = (term for term in config.terms() if isinstance(term, AugmentedNextItem))
    now = term(Outputs(network, network, batch), batch)
    later = replace(batch, passes=2.0)
    torch.testing.assert_close(now, 0.25 * term(Outputs(network, network, later), later))
