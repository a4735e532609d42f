"""A collected log: saved, read as any log, and handed to d3rlpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from collected_users import USERS, Shy

from llmrec_env.common.errors import DataError
from llmrec_env.data import load
from llmrec_env.evaluation.collecting import collect
from llmrec_env.evaluation.stochastic import UniformPolicy
from llmrec_env.offline.collected import CollectedLog

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def log() -> CollectedLog:
    return collect(UniformPolicy(), USERS, episodes=20, max_episode_steps=6)


@pytest.fixture(scope="module")
def folder(log: CollectedLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("collected") / "log"
    log.save(path)
    return path


def test_a_saved_log_is_read_as_it_was(log: CollectedLog, folder: Path) -> None:
    again = CollectedLog.load(folder)
    for name in ("offsets", "items", "propensities", "rewards", "accepted", "observations"):
        np.testing.assert_array_equal(getattr(again, name), getattr(log, name))
    np.testing.assert_array_equal(again.terminated, log.terminated)
    np.testing.assert_array_equal(again.last_observations, log.last_observations)
    assert all(map(np.array_equal, again.histories, log.histories))
    assert again.about == log.about
    assert again.user_ids.equals(log.user_ids)
    assert repr(again) == f"CollectedLog(20 episodes, {len(log)} steps, 30 items, policy 'random')"


def test_it_is_a_log_of_what_was_taken_with_what_was_skipped_beside_it(
    log: CollectedLog, folder: Path
) -> None:
    read = load(folder, keep_unseen_items=True)
    assert read.is_ordered
    for interactions in (read, log.to_log()):
        assert interactions.n_users == log.n_episodes
        assert interactions.feedback.columns == ["propensity"]
        assert interactions.skips is not None
        ids, known = interactions.catalogue.ids, log.catalogue.ids
        for episode, rows in enumerate(log.episode_rows):
            accepted = log.accepted[rows]
            taken = [*log.histories[episode], *log.items[rows][accepted]]
            assert [ids[i] for i in interactions.sequence(episode)] == [known[i] for i in taken]
            skipped, after = interactions.skips_of(episode)
            assert [ids[i] for i in skipped] == [known[i] for i in log.items[rows][~accepted]]
            before = len(log.histories[episode]) + np.cumsum(accepted) - accepted
            assert after.tolist() == before[~accepted].tolist()
            first = interactions.offsets[episode] + len(log.histories[episode])
            own = interactions.feedback["propensity"][first : interactions.offsets[episode + 1]]
            assert own.to_numpy() == pytest.approx(log.propensities[rows][accepted], rel=1e-6)
    twice = read.user_ids.filter(read.user_ids.str.ends_with("#2"))
    assert len(twice) == log.n_episodes - log.user_ids.n_unique()


def test_items_about_which_nobody_answers_are_never_shown(tmp_path: Path) -> None:
    collect(UniformPolicy(), Shy(), episodes=8, max_episode_steps=4).save(tmp_path / "log")
    log = CollectedLog.load(tmp_path / "log")
    allowed = log.allowed(np.arange(len(log)))
    assert not allowed[:, Shy.unknown].any()
    assert 1 / allowed.sum(axis=1) == pytest.approx(log.propensities)


def test_steps_are_one_row_each(log: CollectedLog, folder: Path) -> None:
    steps = pl.read_parquet(folder / "steps.parquet")
    assert steps.columns == [
        *("episode", "user_id", "step", "item_id", "propensity", "reward", "accepted"),
        *("terminated", "truncated", "observation"),
    ]
    assert (steps["terminated"] | steps["truncated"]).sum() == log.n_episodes
    sums = steps.group_by("episode", maintain_order=True).agg(pl.col("reward").sum())["reward"]
    assert sums.to_numpy() == pytest.approx(log.returns, rel=1e-5)


def test_another_folder_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match=r"holds no collected log: it lacks steps\.parquet"):
        CollectedLog.load(tmp_path)


@pytest.mark.parametrize("damage", [{"propensities": 0.0}, {"items": None}])
def test_what_does_not_fit_is_refused(log: CollectedLog, damage: dict[str, float | None]) -> None:
    columns = {name: getattr(log, name) for name in log.__dataclass_fields__}
    for name, value in damage.items():
        columns[name] = columns[name][1:] if value is None else np.full(len(log), value)
    with pytest.raises(DataError, match="collected log"):
        CollectedLog(**columns)
