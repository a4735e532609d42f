"""What a stranger's first folder is told: how to name its one file, and an option misspelt."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.data.loading import load

pytestmark = pytest.mark.core
ROWS = "user_id,item_id,time\nann,1,10\nann,2,20\n"


def test_one_table_of_another_name_is_told_its_own(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(ROWS)
    with pytest.raises(DataError, match=r"if log\.csv has them .* name it interactions\.csv"):
        load(tmp_path)
    (tmp_path / "log.csv").rename(tmp_path / "interactions.csv")
    assert len(load(tmp_path)) == 2


def test_a_misspelt_option_is_told_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "interactions.csv").write_text(ROWS)
    with pytest.raises(DataError, match="did you mean 'only_events'"):
        load(tmp_path, only_event=["buy"])


def test_values_that_may_be_mistakes_are_told_and_read(tmp_path: Path) -> None:
    rows = [f"u{n % 10},i{n},{1_500_000_000 + n},{n % 5 + 0.5}" for n in range(40)]
    path = tmp_path / "interactions.csv"

    def told(*more: str) -> list[str]:
        path.write_text("\n".join(["user_id,item_id,time,rating", *rows, *more]))
        log = load(tmp_path)
        assert len(log) == len(rows) + len(more)
        return [note for note in log.reading.notes if "item ids rise" not in note]

    assert told() == []
    repeated, ahead, rating = told(rows[0], rows[1], "u1,i9,3800000000,55")
    assert repeated.startswith("2 of 43 rows repeat another")
    assert "1 of 43 times lie in the future, the latest in 2090" in ahead
    assert "1 of 43 ratings is 55, far from the others (0.5 to 4.5)" in rating
