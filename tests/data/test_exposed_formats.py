"""Coat, Yahoo! R3 and KuaiRec: logs of what people chose, and of what was shown to them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import histories

from llmrec_env.common.errors import DataError
from llmrec_env.data import load

pytestmark = pytest.mark.core


def test_coat_is_two_matrices_of_which_the_folder_is_the_chosen_one(tmp_path: Path) -> None:
    (tmp_path / "train.ascii").write_text("0 3 0 1\n5 0 0 0\n")
    (tmp_path / "test.ascii").write_text("2 0 0 0\n0 0 4 0\n")
    log = load(tmp_path)
    assert histories(log) == {"0": ["1", "3"], "1": ["0"]}
    assert log.feedback["rating"].to_list() == [3, 1, 5]
    drawn = load(tmp_path / "test.ascii")
    assert histories(drawn) == {"0": ["0"], "1": ["2"]}
    assert not log.is_ordered
    (tmp_path / "train.ascii").write_text("0 3\n5 0 0\n")
    with pytest.raises(DataError, match="lines of whole numbers"):
        load(tmp_path)


def test_yahoo_r3_has_a_line_a_rating(tmp_path: Path) -> None:
    name = "ydata-ymusic-rating-study-v1_0-{}.txt"
    (tmp_path / name.format("train")).write_text("1\t14\t5\n1\t35\t1\n2\t14\t3\n")
    (tmp_path / name.format("test")).write_text("1\t49\t1\n")
    log = load(tmp_path)
    assert histories(log) == {"1": ["14", "35"], "2": ["14"]}
    assert log.feedback["rating"].to_list() == [5, 1, 3]
    assert histories(load(tmp_path / name.format("test"))) == {"1": ["49"]}


def test_kuairec_pays_by_the_share_that_was_watched(tmp_path: Path) -> None:
    head = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"
    (tmp_path / "big_matrix.csv").write_text(
        head
        + "0,36,5381,6067,2020-07-05 05:27:48.378,20200705,1593898068.378,0.8869\n"
        + "0,15,13838,10867,2020-07-05 05:20:00.000,20200705,1593897600.0,1.2734\n"
    )
    log = load(tmp_path)
    assert histories(log) == {"0": ["15", "36"]}
    assert log.feedback["weight"].to_list() == pytest.approx([1.2734, 0.8869])
    assert log.feedback["time"].to_list() == [1593897600, 1593898068]
    (tmp_path / "small_matrix.csv").write_text(
        head + "14,148,4381,6067,,,,0.7221\n14,183,11635,6100,,20200705,1593897600.0,1.9\n"
    )
    nearly_all = load(tmp_path / "small_matrix.csv")
    assert histories(nearly_all) == {"14": ["148", "183"]}
    assert "time" not in nearly_all.feedback.columns
