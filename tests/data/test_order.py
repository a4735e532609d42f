"""A log whose order nobody knows says so, and so does one that stands in the order of its ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.data import InteractionLog, load
from llmrec_env.data.order import check_order, rising_ids
from llmrec_env.data.repeats import masks_seen, repeat_share
from llmrec_env.data.world.generated import generate_world

pytestmark = pytest.mark.core


def rows(sort_ids: bool, times: str = "", users: int = 6, length: int = 8) -> str:
    """Users who take random items; ``times`` is "", "moments" (each of many things) or "ids"."""
    rng = np.random.default_rng(0)
    text = "user_id,item_id" + (",time" if times else "") + "\n"
    for user in range(users):
        items = rng.choice(1000, length, replace=False)
        items = np.sort(items) if sort_ids else items
        for place, item in enumerate(items):
            time = {
                "": "",
                "moments": f",{100 + place // 4}",
                "one": ",7",
                "apart": f",{place * 9}",
            }
            text += f"u{user},{item}{time[times]}\n"
    return text


def read(folder: Path, text: str, **options: object) -> InteractionLog:
    (folder / "interactions.csv").write_text(text, encoding="utf-8")
    return load(folder, **options)


def test_neither_time_nor_position_is_said_loudly(tmp_path: Path) -> None:
    log = read(tmp_path, rows(False))
    assert log.reading.order == "unknown"
    assert any(line.startswith("ORDER UNKNOWN") for line in log.reading.lines)
    with pytest.raises(DataError, match="--order file") as refused:
        check_order(log, "my log")
    assert "--order shuffled" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_times_that_are_all_the_same_order_nothing(tmp_path: Path) -> None:
    log = read(tmp_path, rows(False, "one"))
    assert log.reading.order == "unknown"
    with pytest.raises(DataError, match="order is unknown"):
        check_order(log, "my log")


@pytest.mark.parametrize(
    ("sort_ids", "times", "said"),
    [
        (True, "", "item ids rise along 100% of the steps"),
        (True, "apart", "item ids rise along 100% of the steps"),
        (False, "", None),
        (False, "apart", None),
        (False, "moments", None),
    ],
)
def test_ids_that_rise_are_told_with_and_without_times(
    tmp_path: Path, sort_ids: bool, times: str, said: str | None
) -> None:
    found = [n for n in read(tmp_path, rows(sort_ids, times)).reading.notes if "rise" in n]
    assert len(found) == (said is not None)
    assert said is None or found[0].startswith(said)


def test_ids_that_rise_within_a_moment_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    text = "user_id,item_id,time\n"
    for user in range(6):
        for moment in range(4):
            for item in np.sort(rng.choice(1000, 3, replace=False)):
                text += f"u{user},{item},{moment * 60}\n"
    log = read(tmp_path, text)
    assert rising_ids(log).share < 0.9
    notes = [note for note in log.reading.notes if "within one moment" in note]
    assert len(notes) == 1
    assert "along 100% of these item ids rise" in notes[0]


def test_ids_are_compared_as_numbers_where_they_are_numbers(tmp_path: Path) -> None:
    text = "user_id,item_id,time\n" + "".join(f"a,{n},{n}\n" for n in range(95, 130))
    assert rising_ids(read(tmp_path, text)).share == 1.0


def test_whoever_knows_the_order_says_so(tmp_path: Path) -> None:
    log = read(tmp_path, rows(False), order="file")
    assert log.reading.order == "file order"
    check_order(log, "my log")
    timed = read(tmp_path, rows(False, "apart"), order="file")
    assert timed.reading.order == "time"  # which is the better witness
    with pytest.raises(DataError, match="'file' or 'shuffled'"):
        read(tmp_path, rows(False), order="best")


def test_a_shuffled_log_has_each_users_items_in_another_order(tmp_path: Path) -> None:
    as_it_is, shuffled = read(tmp_path, rows(True)), read(tmp_path, rows(True), order="shuffled")
    check_order(shuffled, "my log")
    assert shuffled.reading.order == "shuffled"
    assert 0.3 < rising_ids(shuffled).share < 0.7
    assert np.array_equal(shuffled.items, read(tmp_path, rows(True), order="shuffled").items)
    for user in range(as_it_is.n_users):
        assert sorted(as_it_is.sequence(user)) == sorted(shuffled.sequence(user))


def test_a_log_made_by_hand_is_its_makers() -> None:
    world = generate_world(seed=0, n_items=30, n_users=10)
    check_order(world.log, "the world")
    by_hand = InteractionLog.from_table(world.log.catalogue, world.log.to_table().drop("time"))
    check_order(by_hand, "mine")


def test_repeats_are_counted_within_users(tmp_path: Path) -> None:
    log = read(tmp_path, "user_id,item_id,time\na,x,1\na,x,2\na,y,3\nb,x,1\n")
    assert repeat_share(log) == 0.25
    assert not masks_seen(log)
    assert masks_seen(log, True)
    never = read(tmp_path, "user_id,item_id,time\na,x,1\na,y,2\nb,x,1\n")
    assert masks_seen(never)
    assert not masks_seen(never, False)
