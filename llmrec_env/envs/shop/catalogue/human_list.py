"""``HumanList``: the public list of people's instructions, whose order says their splits.

WebShop (Yao et al., NeurIPS 2022) publishes it as ``human_goals.json``: 12,087 texts in the order
in which the original program has its goals. By their places they are test (0 to 499), validation
(500 to 1,499) and training goals.
"""

from __future__ import annotations

import os
import re

from llmrec_env.common.errors import DataError
from llmrec_env.common.files import local_path, read_json
from llmrec_env.common.wording import shown

LIST = "human_goals.json"
PRICE = ", and price lower than "
"""Begins what the shop adds to a person's text."""
QUOTES = re.compile("[\"']")


class HumanList:
    """Finds the place of an instruction in the published order.

    The list has its texts in lower case and without quotes, and 524 of them more than once: all who
    wrote the same text have the place of the first, so that no two splits share one.

    Args:
        texts: in the published order.
    """

    def __init__(self, texts: list[str]) -> None:
        self._places: dict[str, int] = {}
        for place, text in enumerate(texts):
            self._places.setdefault(_plain(text), place)
        self._n_texts = len(texts)

    def __len__(self) -> int:
        return self._n_texts

    def place(self, instruction: str) -> int | None:
        """The place of an instruction, with or without the price limit that the shop adds.

        None where it is not in the list.
        """
        return self._places.get(_plain(instruction.split(PRICE)[0]))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> HumanList:
        """Read ``human_goals.json``.

        Raises:
            DataError: it cannot be read, or is no list of texts.
        """
        place = local_path(path, "list of people's instructions")
        try:
            texts = read_json(place)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        if not isinstance(texts, list) or not texts:
            raise DataError(f"{path}: expected a JSON list of texts, got {shown(texts)}")
        for number, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                raise DataError(f"{path}: entry {number} must be a text, got {shown(text)}")
        return cls(texts)


def _plain(text: str) -> str:
    return QUOTES.sub("", text.lower()).strip(" .\n\t\r")
