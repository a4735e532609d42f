"""Clicks and purchases of real sessions, from the publisher's file to the metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from agents import Recommender, RecommenderConfig
from agents.data import TrainingData
from agents.objectives import SQNConfig
from llmrec_env.data.loading import load
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.transforms import k_core
from llmrec_env.evaluation.breakdowns import evaluate_by_event
from llmrec_env.evaluation.ranking import step_ranks

pytestmark = pytest.mark.realdata

MakeConfig = Callable[..., RecommenderConfig]


@pytest.fixture(scope="module")
def split(shared_data: Path) -> Split:
    sessions = load(shared_data / "retailrocket").select_users(range(250))
    return split_by_user(k_core(sessions, 1))  # 1: without the items that these never saw


@pytest.mark.parametrize(("click", "purchase"), [(0.2, 1.0), (0.5, 2.0)])
def test_views_earn_a_click_and_the_rest_a_purchase(
    split: Split, tiny: MakeConfig, shared_data: Path, click: float, purchase: float
) -> None:
    config = tiny(objective="sqn", click_reward=click, purchase_reward=purchase)
    data = TrainingData.prepare(split.train, None, config)
    batch = data.batch(np.arange(len(data.windows)), np.random.default_rng(0), torch.device("cpu"))
    file = pl.read_csv(shared_data / "retailrocket" / "interactions.csv.gz")
    events = {
        (str(user), str(item), time): event
        for user, item, time, event in file.select(
            "user_id", "item_id", "timestamp", "event"
        ).iter_rows()
    }
    log = split.train
    after = np.flatnonzero(log.row_goes_on) + 1
    rows = log.to_table()[after].select("user_id", "item_id", "time").iter_rows()
    told = [events[row] for row in rows]
    expected = [click if event == "view" else purchase for event in told]
    assert sorted(batch.rewards.tolist()) == pytest.approx(sorted(expected))
    assert SQNConfig().click_reward == 0.2
    assert SQNConfig().purchase_reward == 1.0


@pytest.mark.parametrize("objective", ["snqn", "sa2c", "smorl"])
def test_fits_and_is_ranked_by_kind_of_step(split: Split, tiny: MakeConfig, objective: str) -> None:
    warm_up = {"warm_up": 1} if objective == "sa2c" else {}
    config = tiny(objective=objective, epochs=2, learning_rate=0.01, **warm_up)
    fitted = Recommender(config).fit(split.train, validation=split.validation)
    found = evaluate_by_event(fitted, split.test, ks=(20,))
    test = split.test
    targets = np.flatnonzero(test.row_positions >= 1)
    ranks = step_ranks(fitted, test)
    for kind, is_kind in {"click": ["view"], "purchase": ["addtocart", "transaction"]}.items():
        steps = test.feedback["event"][targets].is_in(is_kind).to_numpy()
        assert found[kind]["steps"] == steps.sum() > 0
        assert found[kind]["HR@20"] == pytest.approx((ranks[steps] < 20).mean())
    assert found["all"]["steps"] == found["click"]["steps"] + found["purchase"]["steps"]
