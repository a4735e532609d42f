"""A person at the terminal, by the lines that are typed and the texts that are shown."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from agents.shop.play import play, read_action
from agents.shop.rollouts import collect_rollouts
from agents.shop.scripted import Oracle
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue import CatalogueBuilder, ProductCatalogue
from llmrec_env.envs.shop.shop import Shop


class Player:
    """Types lines, and keeps what was shown."""

    def __init__(self, *typed: str) -> None:
        self.lines: Iterator[str] = iter(typed)
        self.shown: list[str] = []

    def ask(self, prompt: str) -> str:
        try:
            return next(self.lines)
        except StopIteration:
            raise EOFError from None

    def play(self, settings: dict[str, Any], **how: Any) -> float | None:
        return play(settings, ask=self.ask, write=self.shown.append, **how)


@pytest.fixture
def settings(small_catalogue: ProductCatalogue) -> dict[str, Any]:
    return {"catalogue": small_catalogue, "split": "test", "goals_per_product": 1}


def test_an_oracles_actions_typed_in_earn_what_it_earns(settings: dict[str, Any]) -> None:
    shop = Shop(settings["catalogue"], split="test", goals_per_product=1)
    (rollout,) = collect_rollouts(Oracle(shop), settings, [3])
    player = Player(*rollout.actions)
    assert player.play(settings, goal=3) == rollout.reward == 1.0
    assert rollout.instruction.split()[0] in player.shown[1]
    assert player.shown[-1].startswith(f"Reward 1.00 after {len(rollout.actions)} steps: all that")
    for part in ("type", "attributes", "options", "price"):
        assert f"  {part:12} 1.00" in player.shown[-1]


def test_numbers_buttons_and_free_searches(settings: dict[str, Any]) -> None:
    player = Player("", "99", "frobnicate [red]", "Search  bath towel", "4", "Buy Now")
    reward = player.play(settings, goal=0)
    assert reward is not None
    assert 0.0 <= reward <= 1.0
    assert sum("is no action here" in text for text in player.shown) == 3
    assert "'frobnicate [red]' is no action here" in "".join(player.shown)
    assert "Page 1 (Total results:" in "".join(player.shown)


def test_quitting_and_the_end_of_input(settings: dict[str, Any]) -> None:
    for typed in (("quit",), ("1", " Q "), ("1",), ()):
        player = Player(*typed)
        assert player.play(settings, seed=0) is None
        assert player.shown[-1] == "You left without buying."


def test_running_out_of_steps(settings: dict[str, Any]) -> None:
    player = Player(*("1", "back to search") * 2)
    assert player.play(settings | {"max_episode_steps": 4}) == 0.0
    assert player.shown[-1] == "The 4 steps are over, and nothing was bought: reward 0.00"
    assert "Step 4 of 4." in player.shown[-2]


def test_settings_that_are_not_for_people_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="action_mode has one value"):
        Player().play(settings | {"action_mode": "index"})
    with pytest.raises(SettingError, match=r"\[0, "):
        Player().play(settings, goal=10**6)


def test_texts_of_strangers_are_shown_as_they_are(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither control characters nor markup nor emoji codes of a catalogue reach the terminal."""
    builder = CatalogueBuilder("strangers")
    for product in settings["catalogue"]:
        builder.add(replace(product, name=f"[bold]{product.name}[/nope] :smile: \x1b[2J"))
    monkeypatch.setattr(sys, "stdin", io.StringIO("search bath towel\nquit\n"))
    play({**settings, "catalogue": builder.build()}, goal=0)
    shown = capsys.readouterr().out
    assert "[bold]" in shown
    assert "[/nope] :smile:" in shown
    assert "\x1b" not in shown
    assert shown.endswith("You left without buying.\n")


def test_reading_an_action() -> None:
    actions = ("click[back to search]", "click[8]", "click[size: red]")
    assert read_action(" 1 ", actions, False) == actions[0]
    assert read_action("click[8]", actions, False) == "click[8]"
    assert read_action("SIZE:  Red", actions, False) == actions[2]
    assert read_action("search[a b]", actions, True) == "search[a b]"
    for typed in ("8", "search", "search[]", "search x", "0", "1" * 50, "²"):
        assert read_action(typed, actions, False) is None
    assert read_action("search []", actions, True) is None
