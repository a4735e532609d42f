"""What ratings say of a user in closed form: the Gaussian's conditional mean, and honest axes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.reading import Reading
from llmrec_env.language.liking import LikingHead
from llmrec_env.language.liking_folds import LikingFolds
from llmrec_env.language.liking_users import LikingUsers
from llmrec_env.language.posterior import Posterior, levels, main_axes

pytestmark = pytest.mark.core
ITEMS, USERS, TOLD = 12, 400, 8


def log_of(z: np.ndarray) -> InteractionLog:
    """Users who each rated the first ``TOLD`` items of an order of their own."""
    rng = np.random.default_rng(1)
    items = np.concatenate([rng.permutation(ITEMS)[:TOLD] for _ in range(USERS)])
    rows = np.repeat(np.arange(USERS), TOLD)
    return InteractionLog(
        catalogue=Catalogue(pl.DataFrame({"item_id": [f"i{i}" for i in range(ITEMS)]})),
        user_ids=pl.Series("user_id", [f"u{u}" for u in range(USERS)]),
        offsets=np.arange(USERS + 1) * TOLD,
        items=items,
        feedback=pl.DataFrame({"rating": z[rows, items].astype(np.float32)}),
        reading=Reading("test"),
    )


@pytest.fixture(scope="module")
def taste() -> np.ndarray:
    """z of all users and items: two axes and noise."""
    rng = np.random.default_rng(0)
    axes = rng.standard_normal((ITEMS, 2))
    return rng.standard_normal((USERS, 2)) @ axes.T + 0.3 * rng.standard_normal((USERS, ITEMS))


def test_it_is_the_conditional_mean_of_a_gaussian() -> None:
    rng = np.random.default_rng(0)
    axes, level = rng.standard_normal((ITEMS, 3)), rng.standard_normal(ITEMS)
    read, z = np.array([1, 4, 5, 9]), rng.standard_normal(4)
    covariance = axes @ axes.T
    weights = np.linalg.solve(covariance[np.ix_(read, read)] + np.eye(4), z - level[read])
    exact = covariance[:, read] @ weights

    posterior = Posterior(ITEMS, 3)
    v, c, known = (torch.tensor(x, dtype=torch.float32) for x in (axes, level, np.ones(4)))
    weighted, expected = posterior.terms(v[read], c[read], known)
    told = (torch.tensor(z, dtype=torch.float32)[:, None] * v[read]).sum(0)
    user = posterior.users(weighted.T @ v[read], told, expected.sum(0))
    assert_allclose((v @ user).detach().numpy(), exact, atol=1e-5)


def test_main_axes_find_what_users_share(taste: np.ndarray) -> None:
    log = log_of(taste)
    z = log.feedback["rating"].to_numpy()
    axes = main_axes(log, z, np.arange(USERS), 2, seed=0)
    true = np.cov((taste - levels(log, z)).T)
    found = (axes @ axes.T).numpy()
    off = ~np.eye(ITEMS, dtype=bool)
    assert np.corrcoef(found[off], true[off])[0, 1] > 0.95
    assert_array_equal(axes, main_axes(log, z, np.arange(USERS), 2, seed=0))


def test_items_that_nobody_rated_have_no_axes(taste: np.ndarray) -> None:
    log = log_of(taste)
    z = np.where(log.items == 3, np.nan, log.feedback["rating"].to_numpy())
    axes = main_axes(log, z, np.arange(USERS), 16, seed=0)
    assert axes.shape == (ITEMS, 16)
    assert not axes[3].any()
    assert axes[4].any()
    assert not main_axes(log, np.full_like(z, np.nan), np.arange(USERS), 4, seed=0).any()


def test_no_user_is_told_in_learning_by_axes_that_know_them(taste: np.ndarray) -> None:

    def folds(ratings: np.ndarray) -> LikingFolds:
        log = log_of(ratings)
        return LikingFolds(log, LikingUsers(log, FeedbackScale("rating"), 12, 0.0), 2, 32, seed=0)

    users, axes = folds(taste).batch(0)
    changed = taste.copy()
    # Backwards around each user's mean: the items' means change a little, and nothing else.
    changed[users[:1]] = changed[users[:1]].mean() - changed[users[:1]]
    same_users, same_axes = folds(changed).batch(0)
    assert_array_equal(users, same_users)
    assert_allclose(same_axes @ same_axes.T, axes @ axes.T, atol=0.02)
    other = next(number for number in range(1, 5) if users[0] not in folds(taste).batch(number)[0])
    apart = folds(changed).batch(other)[1] - folds(taste).batch(other)[1]
    assert apart.abs().max() > 1e-3


def test_the_axes_of_a_fold_lie_as_those_of_all_do(taste: np.ndarray) -> None:
    log = log_of(taste)
    folds = LikingFolds(log, LikingUsers(log, FeedbackScale("rating"), 12, 0.0), 2, 32, seed=0)
    for number in range(5):
        apart = folds.batch(number)[1] - folds.axes
        assert apart.norm() < 0.3 * folds.axes.norm()


def test_whole_rows_are_summed_as_item_after_item() -> None:
    head, rng = LikingHead(ITEMS, 4).eval(), torch.Generator().manual_seed(0)
    head.posterior.axes.normal_(generator=rng)
    tables = head.tables(torch.randn(ITEMS, 4, generator=rng))
    items = torch.randint(ITEMS, (3, 5), generator=rng)
    values = torch.randn(3, 5, generator=rng)
    values[1, 2] = torch.nan
    read = torch.tensor([[True] * 5, [True] * 5, [True] * 3 + [False] * 2])
    whole = head.summed(tables, items, values, read)
    each = head.pools(tables, items, values)
    for ours, theirs in zip(whole, each.at(torch.arange(3), torch.tensor([4, 4, 2])), strict=True):
        assert_allclose(ours.detach(), theirs.detach(), atol=1e-5)


def test_without_ids_there_is_none() -> None:
    head = LikingHead(ITEMS, 4, ids=False).eval()
    tables = head.tables(torch.randn(ITEMS, 4))
    pools = head.pools(tables, torch.tensor([[0, 1]]), torch.tensor([[1.0, float("nan")]]))
    assert head.users(pools).shape == (1, 2, head.width)
