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
