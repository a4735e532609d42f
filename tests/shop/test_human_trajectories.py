"""Human trajectories: the public file format, read and walked again in this shop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from agents.shop.human import demonstrate
from agents.shop.human_files import read_trajectories
from agents.shop.rollouts import collect_rollouts, replay
from agents.shop.scripted import Oracle
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.shop import GoalSet, Shop

Lines = list[dict[str, Any]]
NAMES = {"RESULTS": "search_results", "ITEM": "item_page", "DONE": "done", "INDEX": "index"}


def written(shop: Shop, goal: Goal, actions: tuple[str, ...]) -> Lines:
    """What the original shop would have written of an episode."""
    told = {
        "asin": goal.asin,
        "category": goal.category,
        "query": goal.query,
        "name": goal.name,
        "product_category": goal.product_category,
        "instruction_text": goal.instruction,
        "attributes": list(goal.attributes),
        "price_upper": goal.price_upper,
        "goal_options": goal.options,
        "weight": 1,
    }
    session = Session(shop.pages, shop.rule)
    session.begin(goal)
    lines: Lines = []
    for action in ("", *actions):
        purchase = session.purchase if action == "click[buy now]" else None
        assert not action or session.act(action)
        page, words = session.page, session.query.split()
        options = dict(session.options)
        kind = NAMES.get(page.kind.name, "item_sub_page")
        line: dict[str, Any] = {"page": kind, "url": "http://shop/session", "goal": told}
        if page.is_results:
            line["content"] = {"keywords": words, "page": page.number + 1}
        elif page.product is not None:
            line["content"] = {
                "keywords": str(words),
                "page": "1",
                "asin": page.product.asin,
                "options": options,
            }
            line["url"] += f"/{page.kind.name.title()}/{quote(str(options))}"
        elif purchase is not None:
            line["content"] = {"asin": purchase.product.asin, "options": dict(purchase.options)}
            line["reward"] = session.verdict.reward
        lines.append(line)
    return lines


def save(path: Path, lines: Lines) -> Path:
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def settings(small_catalogue: ProductCatalogue) -> dict[str, Any]:
    return {"catalogue": small_catalogue, "split": "test", "goals_per_product": 2}


@pytest.fixture
def lines(settings: dict[str, Any]) -> Lines:
    """A session that looks at the features, and buys what was asked for."""
    shop = Shop(settings["catalogue"], split="test", goals_per_product=2)
    place = next(i for i, goal in enumerate(shop.goals) if len(goal.options) > 1)
    (rollout,) = collect_rollouts(Oracle(shop), settings, [place])
    *before, buy = rollout.actions
    actions = (*before, "click[features]", "click[< prev]", buy)
    return written(shop, shop.goals[place], actions)


def test_a_session_replays_to_the_reward_that_it_states(
    lines: Lines, settings: dict[str, Any], tmp_path: Path
) -> None:
    save(tmp_path / "a.jsonl", lines)
    told = demonstrate(read_trajectories(tmp_path), settings)
    (rollout,), (account,) = told.rollouts, told.accounts
    assert account.made == account.visits == len(lines)
    assert account.stated == account.reward == rollout.reward == 1.0
    assert rollout.success
    assert "click[features]" in rollout.actions
    for observation in ("features", "text_rich", "dict"):
        decisions = list(replay(told.rollouts, told.settings, observation))
        done = [decision.observation.actions[decision.action] for decision in decisions]
        assert done == list(rollout.actions)
    assert told.report().startswith(f"1 of 1 trajectories used, {len(rollout.actions)} actions")


def test_searches_in_ones_own_words_stay_and_are_passed_over_in_the_slate(
    lines: Lines, settings: dict[str, Any], tmp_path: Path
) -> None:
    words = lines[0]["goal"]["name"].lower().replace(",", "").split()
    for line in lines:
        if "keywords" in line.get("content", {}):
            plain = line["page"] == "search_results"
            line["content"]["keywords"] = words if plain else str(words)
    told = demonstrate(read_trajectories(save(tmp_path / "a.jsonl", lines)), settings)
    assert told.rollouts[0].actions[0] == f"search[{' '.join(words)}]"
    decisions = list(replay(told.rollouts, told.settings, "features"))
    assert len(decisions) == len(told.rollouts[0].actions) - 1


def test_what_cannot_be_walked_is_counted_and_said(
    lines: Lines, settings: dict[str, Any], tmp_path: Path
) -> None:
    def changed(name: str, kind: str, **values: Any) -> None:
        copied = json.loads(json.dumps(lines))
        for line in copied:
            if line["page"] == kind:
                line["content"] |= values
        save(tmp_path / name, copied)

    save(tmp_path / "good.jsonl", lines)
    changed("option.jsonl", "done", options={"no such option": "x"})
    changed("product.jsonl", "done", asin="B000000000")
    changed("page.jsonl", "search_results", page=9)
    save(tmp_path / "left.jsonl", lines[:-1])
    foreign = [{**line, "goal": {**line["goal"], "asin": "B000000000"}} for line in lines]
    save(tmp_path / "stranger.jsonl", foreign)

    told = demonstrate(read_trajectories(tmp_path), settings)
    why = {account.source: account.why_not for account in told.accounts}
    assert why == {
        "good.jsonl": "",
        "left.jsonl": "nothing was bought",
        "option.jsonl": "the purchase cannot be made: "
        "a product does not offer a value that was chosen",
        "page.jsonl": "",
        "product.jsonl": "the purchase cannot be made: a product is not in this catalogue",
        "stranger.jsonl": "the product asked for is not in this catalogue",
    }
    report = told.report()
    assert report.startswith("2 of 6 trajectories used")
    assert "page passed over, 1: there are fewer pages of results here" in report
    short = demonstrate(read_trajectories(tmp_path / "good.jsonl"), settings | LIMIT)
    assert short.rollouts == []
    assert "not used, 1: more than 3 actions: pass a larger max_episode_steps" in short.report()


LIMIT = {"max_episode_steps": 3}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not valid JSON"),
        ("[1]", "line 2: expected a JSON object"),
        ({"page": "cart"}, "line 2: 'page' must be one of"),
        ({"goal": None}, "line 2: 'goal' must be an object"),
        ({"content": {"keywords": "[1]", "page": 1}}, "line 2: 'keywords' must be a list of texts"),
        ({"content": {"keywords": ["a"], "page": 0}}, "line 2: 'page' must be the number of a"),
        ({"page": "done", "content": {"asin": "A", "options": []}}, "'options' must be an object"),
        (
            {"page": "done", "content": {"asin": "A", "options": {}}, "reward": 2},
            r"'reward' must be in \[0, 1\]; got 2",
        ),
        ({"page": "done", "content": {"asin": "A", "options": {}}}, "'reward' must be a number"),
    ],
)
def test_a_bad_line_is_named(
    line: str | dict[str, Any], message: str, lines: Lines, tmp_path: Path
) -> None:
    path = save(tmp_path / "bad.jsonl", lines[:1])
    bad = line if isinstance(line, str) else json.dumps({**lines[1], **line})
    path.write_text(path.read_text() + bad + "\n")
    with pytest.raises(DataError, match=rf"bad\.jsonl, .*{message}|bad\.jsonl, line 2: {message}"):
        read_trajectories(path)


def test_empty_and_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \*\.jsonl in this folder"):
        read_trajectories(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_trajectories(tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no line"):
        read_trajectories(tmp_path / "empty.jsonl")


def test_goals_of_ones_own_are_taken_as_they_are(small_catalogue: ProductCatalogue) -> None:
    goals = Shop(small_catalogue, split="all", goals_per_product=1).goals[:5]
    assert Shop(small_catalogue, GoalSet(goals), split="all").goals == goals
    for settings, message in (
        ({"instructions": GoalSet([])}, "has no goal"),
        ({"instructions": GoalSet(goals), "goals_per_product": 1}, "has its own"),
        ({"instructions": "spoken"}, "or a GoalSet"),
    ):
        with pytest.raises(SettingError, match=message):
            Shop(small_catalogue, split="all", **settings)


@pytest.mark.realdata
def test_the_public_sample(webshop_files: Path, webshop: ProductCatalogue) -> None:
    """Its products are not among the 1,000, and that is what is said."""
    trajectories = read_trajectories(webshop_files / "human_trajs_sample")
    assert len(trajectories) == 9
    assert sum(len(one.visits) for one in trajectories) == 61
    assert {one.goal.price_upper for one in trajectories} >= {190.0, 490.0}
    assert [one.reward for one in trajectories].count(1.0) == 2
    (seen,) = (v for one in trajectories for v in one.visits if v.page == "item_sub_page")
    assert (seen.asin, seen.sub_page) == ("B07XC7GVRK", "description")
    told = demonstrate(trajectories, {"catalogue": webshop, "reward": "webshop"})
    assert told.rollouts == []
    assert told.report().splitlines() == [
        "0 of 9 trajectories used, 0 actions; 0 of 61 pages reached",
        "not used, 9: the product asked for is not in this catalogue",
    ]
