"""``Suggestions``: queries derived from an instruction, offered to all agents as actions."""

from __future__ import annotations

from llmrec_env.envs.shop.views.instruction_parser import parse_instruction
from llmrec_env.envs.shop.words import words_of


class Suggestions:
    """Derives searches from an instruction, and from nothing else of a goal.

    Args:
        kinds: what the shop sells, the ``query`` of its products: public knowledge.
    """

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for kind in sorted(kinds, key=lambda kind: -len(words_of(kind))):
            words = words_of(kind)
            if words:
                self._kinds.setdefault(words[0], []).append((words, kind))

    def of(self, instruction: str) -> tuple[str, ...]:
        """One to three different searches: whole, without options and price, category."""
        whole = clean_query(instruction)
        short = clean_query(parse_instruction(instruction).base)
        return tuple(dict.fromkeys(q for q in (whole, short, self._kind(short)) if q))

    def _kind(self, text: str) -> str:
        """The longest kind of thing that stands in the text, else the text."""
        words, longest, longest_kind = words_of(text), 0, text
        for place, word in enumerate(words):
            for named, kind in self._kinds.get(word, ()):
                if len(named) > longest and words[place : place + len(named)] == named:
                    longest, longest_kind = len(named), kind
        return longest_kind


def clean_query(text: str) -> str:
    """Search words in lower case, single spaces, without brackets that would end the action."""
    return " ".join(text.lower().replace("[", " ").replace("]", " ").split())
