"""Kinds of events: known names are mapped, others are refused when the log is read."""

from __future__ import annotations

import numpy as np
import pytest
from tables import histories, write

from agents.data import constant_rewards
from llmrec_env.common.errors import DataError
from llmrec_env.data import load
from llmrec_env.data.events import purchased

pytestmark = pytest.mark.core

SHOP = (
    "event_time,event_type,product_id,user_id\n"
    "2019-10-01 00:00:00 UTC,view,a,u\n2019-10-01 00:00:01 UTC,cart,a,u\n"
    "2019-10-01 00:00:02 UTC,remove_from_cart,a,u\n2019-10-01 00:00:03 UTC,purchase,b,u\n"
)


def test_the_events_of_shops_are_known(tmp_path):
    known = SHOP.replace("remove_from_cart", "Add-To-Cart")
    log = load(write(tmp_path, {"interactions.csv": known}))
    assert purchased(log.feedback["event"]).tolist() == [False, True, True, True]
    assert "view (1) as a click" in log.reading.events
    assert "Add-To-Cart (1) as a purchase" in log.reading.events


def test_an_unknown_event_is_refused_at_the_door(tmp_path):
    folder = write(tmp_path, {"interactions.csv": SHOP})
    with pytest.raises(DataError, match=r"1 rows have the event 'remove_from_cart'.*'drop'"):
        load(folder)
    assert histories(load(folder, events={"remove_from_cart": "drop"})) == {"u": ["a", "a", "b"]}
    as_click = load(folder, events={"remove_from_cart": "click"})
    assert purchased(as_click.feedback["event"]).tolist() == [False, True, False, True]
    with pytest.raises(DataError, match="there is no event 'buy'; there are "):
        load(folder, events={"buy": "drop"})
    with pytest.raises(DataError, match="expected click, purchase, drop or a reward"):
        load(folder, events={"remove_from_cart": "sell"})


def test_an_event_may_have_a_reward_of_its_own(tmp_path):
    folder = write(tmp_path, {"interactions.csv": SHOP})
    log = load(folder, events={"remove_from_cart": -0.5, "view": 0.1})
    np.testing.assert_allclose(constant_rewards(log), [0.1, 1, -0.5, 1])
    assert log.reading.to_json()["event_rewards"] == {"remove_from_cart": -0.5, "view": 0.1}


def test_events_for_a_table_without_them_are_refused(tmp_path):
    folder = write(tmp_path, {"interactions.csv": "user_id,item_id\nu,a\n"})
    with pytest.raises(DataError, match="there is no column of events"):
        load(folder, events={"view": "drop"})
