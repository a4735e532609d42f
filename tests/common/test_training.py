"""The training loop: resumable, stopped early, back at its best step in the end."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from llmrec_env.common.errors import DivergedError, LLMRecError
from llmrec_env.common.training import (
    TrainingConfig,
    TrainingHistory,
    bucketed_batches,
    clear_checkpoint,
    shuffled_batches,
    train,
)

pytestmark = pytest.mark.core
CONFIG = TrainingConfig(steps=20, learning_rate=0.05, evaluate_every=4, patience=0)


class Line(nn.Module):
    """A line with dropout and a frozen part, to be fitted to y = 2 x."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(3, 1)
        self.dropout = nn.Dropout(0.2)
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        nn.init.zeros_(self.line.weight)
        nn.init.zeros_(self.line.bias)

    def loss(self, step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Squared error on points that the step's own generator draws."""
        x = torch.from_numpy(rng.normal(size=(8, 3)).astype(np.float32))
        error = self.line(self.dropout(x))[:, 0] - 2 * x.sum(1)
        return {"square": error.square().mean(), "bias": self.line.bias.square().sum()}

    def score(self) -> dict[str, float]:
        """How close the slope is to 2."""
        assert not self.training
        return {"closeness": -float((self.line.weight.detach() - 2).abs().mean())}


def fit(module: Line, config: TrainingConfig = CONFIG, **kwargs: object) -> TrainingHistory:
    """Train with validation."""
    given_ = {"evaluate": module.score, "metric": "closeness"} | kwargs
    return train(module, module.loss, config, **given_)


def test_it_learns_and_writes_down_how() -> None:
    module = Line()
    history = fit(module)
    assert [row["step"] for row in history.rows] == [0, 4, 8, 12, 16, 20]
    assert set(history.rows[1]) == {"step", "square", "bias", "closeness"}
    assert history.rows[-1]["square"] < history.rows[1]["square"]
    assert history.best_metric == max(row["closeness"] for row in history.rows)
    assert module.score()["closeness"] == history.best_metric
    assert history.finished
    assert not module.training
    assert float(module.frozen) == 1.0


def test_the_same_seed_takes_the_same_steps_whatever_was_drawn_before() -> None:
    first, second, other = Line(), Line(), Line()
    fit(first)
    torch.manual_seed(99)
    drawn_before = torch.get_rng_state()
    fit(second)
    assert torch.equal(torch.get_rng_state(), drawn_before)
    fit(other, replace(CONFIG, seed=1))
    assert torch.equal(first.line.weight, second.line.weight)
    assert not torch.equal(first.line.weight, other.line.weight)


@pytest.mark.parametrize("killed_at", [0, 3, 4, 11, 19])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(killed_at: int, tmp_path: Path) -> None:
    whole, resumed = Line(), Line()
    expected = fit(whole)

    def killed(step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        if step == killed_at:
            raise KeyboardInterrupt
        return resumed.loss(step, rng)

    with pytest.raises(KeyboardInterrupt):
        train(
            resumed,
            killed,
            CONFIG,
            evaluate=resumed.score,
            metric="closeness",
            folder=tmp_path / "run",
        )
    again = Line()  # what was in memory is gone
    history = fit(again, folder=tmp_path / "run")
    assert history == expected
    assert torch.equal(again.line.weight, whole.line.weight)
    assert torch.equal(again.line.bias, whole.line.bias)


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    expected = fit(Line(), folder=tmp_path / "run")
    again = Line()

    def never(step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        raise AssertionError("no step was left to take")

    history = train(
        again, never, CONFIG, evaluate=again.score, metric="closeness", folder=tmp_path / "run"
    )
    assert history == expected
    assert again.score()["closeness"] == expected.best_metric
    clear_checkpoint(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_clearing_leaves_what_others_put_beside_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    fit(Line(), folder=tmp_path)
    clear_checkpoint(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("content", [b"", b"something else", "cut"])
def test_a_file_in_the_place_of_a_checkpoint_is_refused(
    content: bytes | str, tmp_path: Path
) -> None:
    state = tmp_path / "state.safetensors"
    if content == "cut":
        fit(Line(), folder=tmp_path)
        content = state.read_bytes()[:-10]
    state.write_bytes(content)  # type: ignore[arg-type]
    with pytest.raises(LLMRecError, match=r"state.safetensors is damaged, or no checkpoint"):
        fit(Line(), folder=tmp_path)
    assert state.read_bytes() == content


def test_checkpoints_hold_nothing_that_needs_unpickling(tmp_path: Path) -> None:
    fit(Line(), folder=tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"state.safetensors"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_early_stopping_goes_back_to_the_best_weights() -> None:
    module = Line()
    metrics = iter([0.0, 1.0, 3.0, 2.0, 2.5, 9.0])
    weights = []

    def evaluate() -> dict[str, float]:
        weights.append(module.line.weight.clone())
        return {"given": next(metrics)}

    history = fit(module, replace(CONFIG, patience=2), evaluate=evaluate, metric="given")
    assert [row["given"] for row in history.rows] == [0.0, 1.0, 3.0, 2.0, 2.5]
    assert (history.best_step, history.best_metric) == (8, 3.0)
    assert torch.equal(module.line.weight, weights[2])
    assert not torch.equal(module.line.weight, weights[-1])


def test_where_nothing_helps_it_ends_where_it_began() -> None:
    module = Line()
    history = fit(module, evaluate=lambda: {"closeness": -float(module.line.weight.abs().sum())})
    assert history.best_step == 0
    assert not module.line.weight.any()


def test_without_validation_the_training_loss_decides() -> None:
    module = Line()
    history = fit(module, evaluate=None)
    losses = [row["square"] + row["bias"] for row in history.rows]
    assert -history.best_metric == pytest.approx(min(losses))
    assert [row["step"] for row in history.rows] == [4, 8, 12, 16, 20]


@pytest.mark.parametrize(("comparable", "kept"), [(True, 4), (False, 20)])
def test_losses_that_cannot_be_compared_keep_the_last_weights(comparable: bool, kept: int) -> None:
    module = Line()

    def rising(step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        return {**module.loss(step, rng), "rising": torch.tensor(10.0 * step)}

    history = train(module, rising, replace(CONFIG, comparable=comparable))
    assert history.best_step == kept


@pytest.mark.parametrize(
    ("config", "run"),
    [(replace(CONFIG, seed=1), "here"), (replace(CONFIG, steps=24), "here"), (CONFIG, "there")],
)
def test_the_checkpoint_of_another_run_is_refused(
    config: TrainingConfig, run: str, tmp_path: Path
) -> None:
    fit(Line(), folder=tmp_path / "run", run="here")
    with pytest.raises(LLMRecError, match="checkpoint of another run"):
        fit(Line(), config, folder=tmp_path / "run", run=run)


def test_a_checkpoint_of_other_sizes_is_refused(tmp_path: Path) -> None:
    fit(Line(), folder=tmp_path / "run")
    wider = Line()
    wider.line = nn.Linear(4, 1)
    with pytest.raises(LLMRecError, match="checkpoint of another run"):
        fit(wider, folder=tmp_path / "run")


def test_weights_that_are_no_numbers_are_not_validated() -> None:
    module = Line()

    def last_step_breaks(step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        return {"loss": Broken.apply(module.line.weight, math.nan if step == 3 else 1.0)}

    with pytest.raises(DivergedError, match="a weight is not finite at step 4"):
        train(module, last_step_breaks, CONFIG, evaluate=module.score, metric="closeness")


class Broken(torch.autograd.Function):
    """A loss that is a number, with a gradient that need not be."""

    @staticmethod
    def forward(context: Any, weight: Tensor, gradient: float) -> Tensor:
        context.gradient = torch.full_like(weight, gradient)
        return weight.new_zeros(())

    @staticmethod
    def backward(context: Any, *_: Tensor) -> tuple[Tensor, None]:
        return context.gradient, None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_with_its_step(value: float) -> None:
    module = Line()

    def broken(step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        terms = module.loss(step, rng)
        return terms | {"broken": terms["bias"] + value} if step == 5 else terms

    with pytest.raises(LLMRecError, match=f"the loss is {value} at step 5; lower the learning"):
        train(module, broken, CONFIG)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 30), batch_size=st.integers(1, 12), seed=st.integers(0, 5))
def test_every_epoch_shows_every_row_once(n: int, batch_size: int, seed: int) -> None:
    rows = shuffled_batches(n, batch_size, seed)
    per_epoch = math.ceil(n / min(n, batch_size))
    for epoch in range(3):
        shown = [rows(epoch * per_epoch + place) for place in range(per_epoch)]
        assert sorted(np.concatenate(shown).tolist()) == list(range(n))
        assert max(map(len, shown)) <= batch_size
    assert (shuffled_batches(n, batch_size, seed)(2) == rows(2)).all()


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=30), batch_size=st.integers(1, 12))
def test_buckets_show_every_row_once_beside_rows_of_its_length(
    lengths: list[int], batch_size: int
) -> None:
    batch = bucketed_batches(np.array(lengths), batch_size, seed=0)
    count = math.ceil(len(lengths) / batch_size)
    shown = [batch(step) for step in range(count)]
    assert sorted(np.concatenate(shown).tolist()) == list(range(len(lengths)))
    assert max(map(len, shown)) <= batch_size
    spans = sorted((min(lengths[i] for i in b), max(lengths[i] for i in b)) for b in shown)
    assert all(shorter[1] <= longer[0] for shorter, longer in pairwise(spans))
