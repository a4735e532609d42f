"""Says whether a product is the kind of thing that a goal asks for."""

from __future__ import annotations

from functools import lru_cache

from llmrec_env.envs.shop.catalogue.products import Product
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.words import words_of

JOINING = frozenset(("and", "of", "for", "with", "the"))
"""Words of a query that name nothing."""


def is_kind(goal: Goal, product: Product) -> bool | None:
    """Whether a product is the kind of thing that a goal asks for; None where nothing tells.

    A catalogue knows a kind by two things: the ``query`` under which the shop lists the product
    (the words that an instruction has for it), and its ``product_category``. Each that both sides
    have must agree:

    - the queries are the same but for letters' case and spaces around them;
    - the categories are the same path, or both name the query: every word of ``men's shorts``
      stands in ``Men › Clothing › Active › Active Shorts`` as in ``Men › Clothing › Shorts``, and
      in no path of women's shorts.

    Where neither tells, the product that the goal was made from is its kind.
    """
    asked, listed = _plain(goal.query), _plain(product.query)
    if asked and listed and asked != listed:
        return False
    wanted, own = category_parts(goal.product_category), category_parts(product.product_category)
    if wanted and own:
        return wanted == own or (bool(asked and listed) and _all_name(asked, wanted, own))
    return True if goal.asin == product.asin else None


@lru_cache(maxsize=16_384)
def category_parts(path: str) -> tuple[str, ...]:
    """The parts of a category path ``A › B › C`` in lower case, top first."""
    return tuple(part for text in path.split("›") if (part := _plain(text)))


def _all_name(query: str, *paths: tuple[str, ...]) -> bool:
    words = _singular(query) - JOINING
    return bool(words) and all(words <= _singular(" ".join(path)) for path in paths)


@lru_cache(maxsize=16_384)
def _singular(text: str) -> frozenset[str]:
    """The words of a text without the ``'s`` and ``s`` at their ends."""
    words = (word.replace("’", "'").removesuffix("'s") for word in words_of(text))
    return frozenset(word.removesuffix("s") for word in words)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
