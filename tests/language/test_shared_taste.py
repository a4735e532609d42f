"""What users share, in closed form, and LEs that begin there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import catalogue, log_of

from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.language import shared_taste as shared
from llmrec_env.language.fitting import FitConfig, fit_language_environment
from llmrec_env.language.heads import Heads
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.shared_taste import begin_shared, shared_taste


def heads(n_items: int, **settings: bool) -> Heads:
    return Heads(16, 12, ids=n_items, **settings).eval()


def two_groups(n_users: int = 60) -> InteractionLog:
    """Users who take eight of ten items of their half of the catalogue."""
    rng = np.random.default_rng(0)
    sequences = [rng.permutation(10)[:8] + 10 * (user % 2) for user in range(n_users)]
    return log_of([items.tolist() for items in sequences], catalogue(20))


def test_items_of_the_same_users_lie_together() -> None:
    close = shared_taste(two_groups(), 2, seed=0)
    close = close @ close.T
    assert close[:10, :10].min() > 2 * close[:10, 10:].max()


def test_factors_are_the_least_squares_beside_those_of_the_other_side() -> None:
    rng = np.random.default_rng(1)
    taken = rng.random((7, 9)) < 0.4
    rows, columns = map(torch.from_numpy, np.nonzero(taken))
    fixed = torch.from_numpy(rng.normal(size=(9, 3)).astype(np.float32))
    found = shared._solved(rows, columns, fixed, 7)
    for row in range(7):
        weights = torch.from_numpy(np.where(taken[row], shared.ALPHA, 1.0)).float()
        moment = (fixed * weights[:, None]).T @ fixed + shared.PENALTY * torch.eye(3)
        told = (fixed * (weights * torch.from_numpy(taken[row]))[:, None]).sum(0)
        assert torch.allclose(found[row], torch.linalg.solve(moment, told), atol=1e-4)


def test_many_rows_are_solved_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    log = two_groups()
    whole = shared_taste(log, 8, seed=0)
    monkeypatch.setattr(shared, "NUMBERS", 64 * 3)  # three rows, or three takes, at once
    assert torch.allclose(shared_taste(log, 8, seed=0), whole, atol=1e-3)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("long_run", [True, False])
def test_states_point_to_what_users_of_the_same_items_take(ordered: bool, long_run: bool) -> None:
    log = two_groups()
    own = heads(20, ordered=ordered, long_run=long_run)
    told = begin_shared(own, log, log, masked=True, seed=0)
    assert told is not None
    assert told["kept"] == 8
    assert told["8"] > told["popularity"]
    noise = torch.randn(20, 12, generator=torch.Generator().manual_seed(0))
    given = torch.nn.functional.normalize(noise, dim=1)
    features = own.features(given, None)  # type: ignore[arg-type]
    history = torch.tensor([[1, 5, 3]])
    means = own.means(features[history])
    state = own.states(means, torch.zeros(1, 3, 16))[0, -1]
    closeness = own.items(features) @ state
    assert closeness[:10].mean() > closeness[10:].max()


def test_what_has_learned_or_has_no_ids_is_left_alone() -> None:
    log = two_groups()
    assert begin_shared(heads(0), log, log, masked=True, seed=0) is None
    learned = heads(20)
    with torch.no_grad():
        learned.id_correction[0, 0] = 1.0  # type: ignore[index]
    before = {name: own.clone() for name, own in learned.state_dict().items()}
    assert begin_shared(learned, log, log, masked=True, seed=0) is None
    assert all(torch.equal(own, before[name]) for name, own in learned.state_dict().items())


def test_where_users_share_nothing_items_begin_at_zero() -> None:
    rng = np.random.default_rng(2)
    shares = 0.7 ** np.arange(30) / (0.7 ** np.arange(30)).sum()
    drawn = [rng.choice(30, 6, replace=False, p=shares).tolist() for _ in range(40)]
    log = log_of(drawn, catalogue(30))
    own = heads(30)
    told = begin_shared(own, log, log.select_users(range(8)), masked=False, seed=0)
    assert told is not None
    assert (told["kept"] == 0) == (not own.id_correction.any())  # type: ignore[union-attr]


def test_an_le_that_begins_there_tells_users_better_and_says_so() -> None:
    split = split_by_user(generate_world(n_items=80, n_users=400, seed=0).log, seed=0)

    def fitted(begins: bool) -> dict[str, object]:
        learning = LearningConfig(epochs=1, min_steps=0, begin_shared=begins)
        model = fit_language_environment(
            split.train, split.validation, config=FitConfig(language_model=False, learning=learning)
        )
        found: dict[str, object] = model.record["learning"]
        return found

    begun, from_zero = fitted(True), fitted(False)
    assert from_zero["shared"] is None
    assert begun["shared"]["kept"] in (8, 16)  # type: ignore[index]
    best = [max(row["progress"] for row in run["curve"]) for run in (begun, from_zero)]  # type: ignore[attr-defined]
    assert best[0] > best[1]


def test_where_the_most_factors_are_best_items_begin_at_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared, "SIZES", (2, 8))
    log, own = two_groups(), heads(20)
    ndcg = iter((0.1, 0.2, 0.3))
    monkeypatch.setattr(shared, "_ndcg", lambda *_: next(ndcg))
    told = begin_shared(own, log, log, masked=True, seed=0)
    assert told == {"popularity": 0.1, "2": 0.2, "8": 0.3, "kept": 0}
    assert not own.id_correction.any()  # type: ignore[union-attr]
