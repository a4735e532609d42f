"""A log says how it was read: what orders it, which columns were used, which were passed over."""

from __future__ import annotations

import json

import polars as pl
import pytest

from llmrec_env.data import Catalogue, InteractionLog, load
from llmrec_env.data.world.generated import generate_world

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("table", "order"),
    [
        ("user_id,item_id,time\na,x,100\na,y,50\n", "time"),
        ("user_id,item_id,timestamp\na,x,0\na,y,1\n", "position"),
        ("user_id,item_id\na,x\na,y\n", "unknown"),
    ],
)
def test_what_orders_a_log(tmp_path, table, order):
    (tmp_path / "interactions.csv").write_text(table)
    log = load(tmp_path)
    assert log.reading.order == order
    assert log.keep(log.items >= 0).select_users([0]).reading == log.reading
    assert json.loads(json.dumps(log.reading.to_json()))["format"] == "plain"


def test_the_order_of_logs_made_by_hand():
    items = Catalogue(pl.DataFrame({"item_id": ["x"]}))
    table = pl.DataFrame({"user_id": ["a"], "item_id": ["x"]})
    assert InteractionLog.from_table(items, table).reading.order == "unknown"
    assert InteractionLog.from_table(items, table.with_columns(time=1)).reading.order == "time"
    assert generate_world(0, 30, 2).log.reading.order == "time"
