"""``ItemTexts``: the items of a catalogue as an agent reads and names them."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import defaultdict
from collections.abc import Collection
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import shown
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.envs.common.rendering import clean
from llmrec_env.envs.text.bm25 import Bm25Search
from llmrec_env.envs.text.engine import SearchEngine
from llmrec_env.envs.wrappers.tool_calls import CallError

ID_WIDTH, TITLE_WIDTH, TEXT_WIDTH = 40, 60, 160
LABEL = re.compile(r".*\[([^\[\]]+)\]")
"""``Title [id]``, as items are shown."""
LABEL_WIDTH = TITLE_WIDTH + ID_WIDTH + len(" []")


class ItemTexts:
    """What items are called, and how they are found. Everything handed out is one line, cut where
    it is long, and without control characters: a catalogue's texts may hold anything.

    Args:
        catalogue: the items.
        engine: finds items by words; BM25 over titles and descriptions where None.

    Raises:
        MissingExtraError: the extra ``shop``, which brings BM25, is not installed.
    """

    def __init__(self, catalogue: Catalogue, engine: SearchEngine | None = None) -> None:
        self._arguments = (catalogue, engine)
        self._ids, self._titles, self._texts = catalogue.ids, catalogue.titles, catalogue.sentences
        if engine is None:
            documents = zip(self._titles, self._texts, strict=True)
            engine = Bm25Search.of(f"{title} {text}".lower() for title, text in documents)
        self._engine = engine

    def __deepcopy__(self, memo: object) -> ItemTexts:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """What is pickled: the catalogue, which is indexed again, and an engine of one's own."""
        catalogue, engine = self._arguments
        return (item_texts, (catalogue,)) if engine is None else (ItemTexts, (catalogue, engine))

    def id_of(self, item: int) -> str:
        """The external id."""
        return self._ids[item]

    def label(self, item: int) -> str:
        """``Title [id]``."""
        return f"{clean(self._titles[item], TITLE_WIDTH)} [{clean(self._ids[item], ID_WIDTH)}]"

    def description(self, item: int, width: int = TEXT_WIDTH) -> str:
        """``Title [id]`` and what else is written about it, ``width`` characters at most."""
        text = self._texts[item].removeprefix(f"is titled {self._titles[item]}, ")
        return f"{self.label(item)}: {clean(text, width)}"

    def search(self, query: str, k: int, left_out: Collection[int]) -> list[int]:
        """The K best items for a query that are not left out, best first.

        Raises:
            SettingError: an engine of one's own found what is no item.
        """
        found = np.asarray(self._engine.search(query, k + len(left_out)))
        rows = found.ndim == 1 and found.dtype.kind in "iu"
        if found.size and not (rows and 0 <= found.min() <= found.max() < len(self._ids)):
            raise SettingError(f"search must give rows of the catalogue, got {shown(found)}")
        return [item for item in found.tolist() if item not in left_out][:k]

    def find(self, name: str) -> int:
        """The item of an id, else of a title, else of both as :meth:`label` writes them.

        Raises:
            CallError: there is none, or more than one.
        """
        line = clean(name, LABEL_WIDTH)
        found = self._by_id.get(clean(name, ID_WIDTH), [])
        found = [item for item in found if self._ids[item] == name] or found
        found = found or self._by_title.get(clean(name, TITLE_WIDTH).casefold(), [])
        found = found or self._labelled(line)
        if not line or not found:
            raise CallError(f'no item is called "{clean(name, TITLE_WIDTH)}": search for it first')
        if len(found) > 1:
            some = ", ".join(clean(self._ids[item], ID_WIDTH) for item in found[:3])
            raise CallError(f"{len(found)} items are called that: name one by its id, as {some}")
        return found[0]

    def _labelled(self, line: str) -> list[int]:
        match = LABEL.fullmatch(line)
        named = self._by_id.get(match[1], []) if match else []
        return [item for item in named if self.label(item).casefold() == line.casefold()]

    @cached_property
    def characters(self) -> frozenset[str]:
        """Every character that may occur, printable ASCII and the end of a line among them."""
        known = set(string.ascii_letters + string.digits + string.punctuation + " \n…")
        for texts in (self._ids, self._titles, self._texts):
            known |= set().union(*texts)
        return frozenset(c for c in known if c in " \n" or _is_visible(c))

    @cached_property
    def _by_id(self) -> dict[str, list[int]]:
        return _grouped([clean(name, ID_WIDTH) for name in self._ids])

    @cached_property
    def _by_title(self) -> dict[str, list[int]]:
        return _grouped([clean(title, TITLE_WIDTH).casefold() for title in self._titles])


@lru_cache(maxsize=4)
def item_texts(catalogue: Catalogue) -> ItemTexts:
    """One index for all environments of a catalogue."""
    return ItemTexts(catalogue)


def _grouped(names: list[str]) -> dict[str, list[int]]:
    items = defaultdict(list)
    for item, name in enumerate(names):
        items[name].append(item)
    return dict(items)


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character)[0] != "C"
