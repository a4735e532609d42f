"""The shop in the terminal for a person: numbered actions, one line of input a step."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
from rich.console import Console

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.rendering import WIDTH, clean
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.views.shop_view import LONGEST_LINE

Ask = Callable[[str], str]
Write = Callable[[str], None]
ID = "llmrec_env:LLMRec/Shop-v0"
PROMPT = "> "
HELP = 'a number, "click[value]", a button\'s text, or "quit"'
SEARCH = 'or "search" and any words'
ELSEWHERE = 'searching is for the first page, where "back to search" leads'
QUIT = ("quit", "exit", "q")


def play(
    settings: Mapping[str, Any] | None = None,
    goal: int | None = None,
    seed: int | None = None,
    ask: Ask | None = None,
    write: Write | None = None,
) -> float | None:
    """Play one episode.

    Texts of the shop come from strangers: control characters are taken out, and nothing in them is
    read as console markup.

    Args:
        settings: arguments of ``gym.make("LLMRec/Shop-v0", ...)``, such as ``split="test"``,
            without ``observation``, ``action_mode`` and ``render_mode``.
        goal: index of a goal of the split; None draws one.
        seed: draws the goal.
        ask: takes a prompt and returns a line that was typed; the terminal where None. An EOFError
            or KeyboardInterrupt ends the play.
        write: prints a text; the terminal where None.

    Returns:
        The reward; 0 where the steps ran out, None where the player quit.

    Raises:
        SettingError: a setting has no such value, or there is no such goal.
    """
    settings = dict(settings or {})
    for name in ("observation", "action_mode", "render_mode"):
        if name in settings:
            raise SettingError(f"{name} has one value when a person plays: leave it out")
    console = Console(highlight=False)
    ask = ask or (lambda prompt: console.input(prompt, markup=False, emoji=False))
    write = write or (lambda text: console.print(text, markup=False, emoji=False, soft_wrap=True))
    env = gym.make(ID, disable_env_checker=True, observation="url", action_mode="text", **settings)
    _, info = env.reset(seed=seed, options=None if goal is None else {"goal": goal})
    limit = env.spec.max_episode_steps if env.spec is not None else None
    session: Session = env.unwrapped.shopper.session  # type: ignore[attr-defined]
    write(f"{HELP}\n")
    steps, earned, over = 0, 0.0, False
    while not over:
        write(page_text(session, info["valid_actions"], steps, limit))
        action = _next_action(session, info["valid_actions"], ask, write)
        if action is None:
            write("You left without buying.")
            return None
        _, reward, terminated, truncated, info = env.step(action)
        steps, earned, over = steps + 1, earned + float(reward), terminated or truncated
    write(ending(earned, info, steps))
    return earned


def page_text(session: Session, actions: Sequence[str], steps: int, limit: int | None) -> str:
    """A page with the numbers of its actions; what is chosen or was opened has a mark."""
    numbers = {action: number for number, action in enumerate(actions, start=1)}
    marked = session.marked()
    left = "" if limit is None else f" of {limit}"
    lines = ["─" * WIDTH, f"Step {steps + 1}{left}. {session.goal.instruction}", ""]
    if session.can_search:
        lines += [f"{number:4d}  {action}" for action, number in numbers.items()]
    else:
        for text, action in session.page.lines:
            number = numbers.get(action) if action is not None else None
            mark = "✓ " if action in marked else ""
            lines.append(f"{'' if number is None else number:>4}  {mark}{text}")
    return "\n".join(_wrapped(line) for line in lines)


def ending(reward: float, info: Mapping[str, Any], steps: int) -> str:
    """What the episode earned, and what the reward is made of."""
    if not info["rewards"]:
        return f"The {steps} steps are over, and nothing was bought: reward {reward:.2f}"
    verdict = "all that was asked for" if info["success"] else "not all that was asked for"
    lines = [f"Reward {reward:.2f} after {steps} steps: {verdict}"]
    lines += [f"  {clean(name, 40):12} {value:.2f}" for name, value in info["rewards"].items()]
    return "\n".join(lines)


def read_action(typed: str, actions: Sequence[str], can_search: bool) -> str | None:
    """The action that a line of input names, or None where it names none.

    Args:
        typed: a number of the list, ``search words``, a full action, or a button's text.
        actions: the valid actions, in the order of their numbers.
        can_search: whether any search is valid.
    """
    words = " ".join(typed.split()).lower()
    if words.isdecimal() and len(words) < 6:
        number = int(words)
        return actions[number - 1] if 1 <= number <= len(actions) else None
    for action in (words, f"click[{words}]"):
        if action in actions:
            return action
    if can_search and words.startswith("search"):
        query = words.removeprefix("search").strip().removeprefix("[").removesuffix("]").strip()
        return f"search[{query}]" if query.strip("[] ") else None
    return None


def _next_action(session: Session, actions: Sequence[str], ask: Ask, write: Write) -> str | None:
    """What the player does next; None to quit. What is no action costs no step."""
    while True:
        try:
            typed = ask(PROMPT)
        except (EOFError, KeyboardInterrupt):
            return None
        if typed.strip().lower() in QUIT:
            return None
        action = read_action(typed, actions, session.can_search)
        if action is not None:
            return action
        where = SEARCH if session.can_search else ELSEWHERE
        write(f"{clean(typed, 60)!r} is no action here. Type {HELP}; {where}.")


def _wrapped(line: str) -> str:
    """A line for the terminal, its continuation under its text."""
    indent = len(line) - len(line.lstrip())
    text = " " * indent + clean(line, LONGEST_LINE)
    return textwrap.fill(text, WIDTH, subsequent_indent=" " * 6, drop_whitespace=True)
