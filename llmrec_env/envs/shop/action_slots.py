"""The valid actions in a fixed number of places, for agents that choose by number."""

from __future__ import annotations

from functools import lru_cache

from llmrec_env.envs.shop.pages import Page
from llmrec_env.envs.shop.words import words_of


def slate(page: Page, instruction: str, places: int) -> tuple[str, ...]:
    """The valid actions of a page, in its order, at most ``places`` of them.

    Where there are more, those option values go that have the least of their words in the
    instruction, the last ones first; every other button keeps its place.
    """
    valid = page.valid
    return valid if len(valid) <= places else _cut(page, instruction, places)


@lru_cache(maxsize=4096)
def _cut(page: Page, instruction: str, places: int) -> tuple[str, ...]:
    valid = page.valid
    asked = set(words_of(instruction))
    values = {action: move.value for action, move in page.moves.items() if move.kind == "choose"}

    def fit(action: str) -> float:
        words = words_of(values[action][1])
        return sum(word in asked for word in words) / max(1, len(words))

    room = places - (len(valid) - len(values))
    kept = set(sorted(values, key=fit, reverse=True)[:room])  # stable: the earlier at a tie
    return tuple(action for action in valid if action not in values or action in kept)
