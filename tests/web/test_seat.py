"""The seat of a recommender's user: a whole visit, what is kept of it, and how agreement counts."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

pytest.importorskip("starlette", reason="needs the extra serve")

from llmrec_env.common.errors import DataError
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.policies import PopularPolicy
from llmrec_env.evaluation.stochastic import EpsilonGreedy, UniformPolicy
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.rated import RatedUser
from llmrec_env.users.true_taste import TrueTasteUser
from llmrec_env.web.seat.answers import AnswersFile
from llmrec_env.web.seat.person import PersonUser
from llmrec_env.web.seat.site import SeatSite
from llmrec_env.web.seat.sitting import Seat, Sitting

EVIL = "<script>alert('x')</script>"
Come = Callable[..., Any]
Fields = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def users() -> UserSimulator:
    """True users of a small world: they answer at once."""
    return TrueTasteUser(generate_world(seed=1, n_items=60, n_users=60))


def seat_of(users: UserSimulator, items: int = 6) -> Seat:
    return Seat(PersonUser(users), UniformPolicy(), "random", items)


def opened(folder: Path, users: UserSimulator, **more: Any) -> SeatSite:
    """The seat, as after a start of the command."""
    items = more.pop("items", 6)
    claimed = RunFolder.claim(folder, "serve", {})
    return SeatSite(seat_of(users, items), claimed, "Users of a world", **more)


def say(client: Any, fields: Fields, taken: str, liking: int) -> str:
    """Answer for the item that is shown; the page to which it leads."""
    step = fields(client.get("/seat").text)["step"]
    form = {"step": step, "taken": taken, "liking": str(liking)}
    return str(client.post("/answer", data=form).text)


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "answers.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_whole_visit_is_kept_answer_by_answer(
    tmp_path: Path, users: UserSimulator, visit: Come, fields: Fields
) -> None:
    client = visit(opened(tmp_path / "seat", users).application())
    page = client.post("/sit", data={"user": "u00003"}).text
    assert "You are user u00003" in page
    assert "the model" not in page  # what it says comes after the answer
    for number in range(6):
        page = say(client, fields, "yes" if number % 2 else "no", 1 + number % 5)
        kept = lines(tmp_path / "seat")
        assert len(kept) == number + 1
        assert kept[-1]["title"] in page
        assert f"{kept[-1]['le_liking']:.2f}" in page
    assert "You and the model" in page
    assert [row["taken"] for row in kept] == [False, True] * 3
    assert len({row["item_id"] for row in kept}) == 6  # nothing is shown twice
    first = client.get("/").text
    assert "So far" in first
    assert "1 visit" in first


def test_the_simulated_user_is_asked_with_what_the_person_took(users: UserSimulator) -> None:
    """What is compared is the simulator's own answer after the same history."""
    sitting = Sitting(seat_of(users), "a", "u00003")
    answers = [sitting.answer(taken, 3) for taken in (True, False, True, False)]
    assert users.users is not None
    row = users.users.user_index("u00003")
    items = [users.catalogue.ids.index(answer.item_id) for answer in answers]
    length = max(3, users.users.lengths[row] // 2)
    session = users.open([users.users.sequence(row)[:length]], np.array([row]))
    for item, answer in zip(items, answers, strict=True):
        said = session.respond(np.array([item]))
        assert answer.le_liking == pytest.approx(float(said.reward[0]))
        assert answer.le_accept_probability == pytest.approx(float(said.accept_probability[0]))
        session.commit(np.array([answer.taken]))


def test_the_person_may_skip_everything_and_get_up_early(
    tmp_path: Path, users: UserSimulator, visit: Come, fields: Fields
) -> None:
    client = visit(opened(tmp_path / "seat", users, items=12).application())
    client.post("/sit")
    for _ in range(8):  # more skips than a simulated user bears
        page = say(client, fields, "no", 2)
    assert "item 9 of 12" in page
    assert "You and the model" in client.post("/leave").text
    again = client.post("/answer", data={"step": "8", "taken": "yes", "liking": "5"})
    assert "You and the model" in again.text
    assert len(lines(tmp_path / "seat")) == 8


def test_the_person_goes_on_after_a_kill(
    tmp_path: Path, users: UserSimulator, visit: Come, fields: Fields
) -> None:
    first = visit(opened(tmp_path / "seat", users).application())
    first.post("/sit")
    for taken in ("yes", "no", "yes"):
        say(first, fields, taken, 4)
    kept = lines(tmp_path / "seat")
    with (tmp_path / "seat" / "answers.jsonl").open("ab") as file:
        file.write(b'{"visit": "cut sh')  # as a kill may leave it
    again = visit(opened(tmp_path / "seat", users).application())
    again.cookies = first.cookies
    assert "item 4 of 6" in again.get("/seat").text
    for _ in range(3):
        page = say(again, fields, "no", 1)
    assert "You and the model" in page
    assert lines(tmp_path / "seat")[:3] == kept
    assert [row["step"] for row in lines(tmp_path / "seat")] == list(range(6))


def test_a_second_click_does_not_answer_twice(
    tmp_path: Path, users: UserSimulator, visit: Come
) -> None:
    client = visit(opened(tmp_path / "seat", users).application())
    client.post("/sit")
    for _ in range(2):
        client.post("/answer", data={"step": "0", "taken": "yes", "liking": "5"})
    assert len(lines(tmp_path / "seat")) == 1


@pytest.mark.parametrize("form", [{"liking": "6"}, {"liking": ""}, {"taken": "perhaps"}])
def test_half_an_answer_is_none(
    tmp_path: Path, users: UserSimulator, visit: Come, form: dict[str, str]
) -> None:
    client = visit(opened(tmp_path / "seat", users).application())
    client.post("/sit")
    sent = client.post("/answer", data={"step": "0", "taken": "yes", "liking": "5", **form})
    assert sent.status_code == 400
    assert not (tmp_path / "seat" / "answers.jsonl").exists()


def test_unknown_users_are_told(tmp_path: Path, users: UserSimulator, visit: Come) -> None:
    client = visit(opened(tmp_path / "seat", users).application())
    told = client.post("/sit", data={"user": EVIL})
    assert told.status_code == 404
    assert "is not among the" in told.text
    assert "<script" not in told.text
    with pytest.raises(DataError, match="'nobody' is not among"):
        opened(tmp_path / "other", users, user_id="nobody")


def test_the_history_tells_how_things_were_rated(tmp_path: Path, visit: Come) -> None:
    rng = np.random.default_rng(0)
    pairs = [(user, item) for user in range(6) for item in rng.permutation(12)]
    table = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user, _ in pairs],
            "item_id": [f"i{item}" for _, item in pairs],
            "rating": rng.integers(1, 6, len(pairs)).astype(np.float32),
        }
    )
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(12)]})
    log = InteractionLog.from_table(Catalogue(items), table)
    client = visit(opened(tmp_path / "seat", RatedUser(log)).application())
    page = client.post("/sit", data={"user": "u4"}).text
    known = dict(table.filter(pl.col("user_id") == "u4").select("item_id", "rating").iter_rows())
    told = re.findall(r"<li>(i\d+) <small>rated (\d)</small></li>", page)
    assert len(told) == 6
    assert {item: float(rating) for item, rating in told}.items() <= known.items()


def test_one_user_for_everybody(tmp_path: Path, users: UserSimulator, visit: Come) -> None:
    client = visit(opened(tmp_path / "seat", users, user_id="u00005").application())
    assert "as user u00005" in client.get("/").text
    assert "You are user u00005" in client.post("/sit", data={"user": "u00001"}).text


def test_texts_of_strangers_are_texts_here_too(
    tmp_path: Path, users: UserSimulator, visit: Come, fields: Fields
) -> None:
    table = users.catalogue.table
    texts = [name for name in table.columns if name != "item_id"]
    strangers = copy.copy(users)
    strangers.catalogue = Catalogue(
        table.with_columns(pl.concat_str(pl.col(name), pl.lit(EVIL)).alias(name) for name in texts)
    )
    site = opened(tmp_path / "seat", strangers)
    client = visit(site.application())
    pages = [client.post("/sit").text, *(say(client, fields, "yes", 3) for _ in range(6))]
    for page in pages:
        assert "<script" not in page
        assert "alert(" in page


def test_a_policy_that_knows_other_items_is_refused(tmp_path: Path, users: UserSimulator) -> None:
    others = generate_world(seed=2, n_items=50, n_users=50).log
    policy = EpsilonGreedy(PopularPolicy(others), 0.1)
    seat = Seat(PersonUser(users), policy, "popular", 5)
    with pytest.raises(DataError, match="action_scores"):
        SeatSite(seat, RunFolder.claim(tmp_path / "seat", "serve", {}), "Users")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"no": "answer"}\n')
    with pytest.raises(DataError, match="no answers of people"):
        AnswersFile(path)
