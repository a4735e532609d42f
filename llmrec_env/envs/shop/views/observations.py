"""The shop's action and observation spaces, and the builder of observations."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
from gymnasium import spaces

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.shop.catalogue.products import FIVE_STARS, MAX_PRICE, CatalogueFacts
from llmrec_env.envs.shop.pages import PAGE_SIZE, Kind
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.shopper import Shopper
from llmrec_env.envs.shop.views.features import features, features_space
from llmrec_env.envs.shop.views.rendering import SEPARATOR
from llmrec_env.envs.text.text_space import TextSpace

PROMPT = "prompt"
TEXTS = ("text", "text_rich", "html", "url", PROMPT)
OBSERVATIONS = (*TEXTS, "dict", "features")
MARGIN = 4096
"""Characters of a page that are not the catalogue's: buttons, prices, tags."""
A_BUTTON = 80
"""Characters around a text at most: the tags of a clicked button."""
ESCAPED = 12
"""Characters that one becomes at most: three UTF-8 bytes and more in a URL, an entity in HTML."""


class ObservationBuilder:
    """Observations of shoppers.

    Args:
        shop: where they shop.
        kind: a text (:data:`TEXTS`), ``"dict"`` or ``"features"``; of a ``"prompt"`` the space
            alone, :class:`~llmrec_env.envs.shop.views.prompt.PromptView` writes it.
        action_mode: ``"features"`` are of the action slots, so they need ``"index"``.
        max_actions: slots for actions.

    Attributes:
        space: the space of one observation.

    Raises:
        SettingError: no such kind, or not in this action mode.
    """

    def __init__(self, shop: Shop, kind: str, action_mode: str, max_actions: int) -> None:
        check_name("observation", kind, OBSERVATIONS)
        if kind == "features" and action_mode != "index":
            raise SettingError('observation="features" shows action slots: use action_mode="index"')
        self._kind = kind
        self._characters = characters(shop)
        self._longest_query = action_space(shop).max_length
        if kind == "features":
            self.space: spaces.Space[Any] = features_space(max_actions)
        elif kind == "dict":
            self.space = _structured_space(shop, self._characters)
        else:
            self.space = TextSpace(_longest_page(shop), min_length=0, charset=self._characters)

    def observe(self, shopper: Shopper, steps_left: float = 1.0) -> Any:
        """What a shopper sees now.

        Args:
            shopper: whose eyes.
            steps_left: as a share of the limit; 1 where there is none.
        """
        if self._kind == "features":
            return features(shopper, steps_left)
        if self._kind == "dict":
            return _structured(shopper, self._characters, self._longest_query)
        return shopper.session.text(self._kind)


def action_space(shop: Shop) -> spaces.Text:
    """Texts long enough for every click and for the longest instruction as a search."""
    facts = shop.inventory.catalogue.facts
    longest = max(256, shop.goal_set.longest, facts.longest_value * 2) + len("search[]") + 2
    return TextSpace(longest, charset=characters(shop))


def characters(shop: Shop) -> frozenset[str]:
    """Every character that a text of the shop can have."""
    facts = shop.inventory.catalogue.facts
    both = shop.goal_set.characters.union(facts.characters, string.printable, SEPARATOR)
    return frozenset(both | {low for c in both for low in c.lower()})


def _longest_page(shop: Shop) -> int:
    facts = shop.inventory.catalogue.facts
    texts = max(facts.longest_page, PAGE_SIZE * (facts.longest_name + 32))
    return ESCAPED * (texts + 2 * shop.goal_set.longest) + A_BUTTON * facts.longest_page + MARGIN


def _structured_space(shop: Shop, known: frozenset[str]) -> spaces.Dict:
    facts: CatalogueFacts = shop.inventory.catalogue.facts

    def text(longest: int) -> spaces.Text:
        return TextSpace(max(1, longest), min_length=0, charset=known)

    price = spaces.Box(0.0, MAX_PRICE, (1,), np.float32)
    hit = {
        "asin": text(10),
        "name": text(facts.longest_name),
        "price": price,
        "opened": spaces.Discrete(2),
    }
    value = text(max(facts.longest_value, 1))
    option = {"name": value, "values": spaces.Sequence(value), "chosen": value}
    product = {
        "asin": text(10),
        "name": text(facts.longest_name),
        "price": price,
        "rating": spaces.Box(0.0, FIVE_STARS, (1,), np.float32),
        "text": text(2 * facts.longest_page + 64),
    }
    return spaces.Dict(
        {
            "page": spaces.Discrete(len(Kind)),
            "instruction": text(shop.goal_set.longest),
            "query": text(action_space(shop).max_length),
            "page_number": spaces.Discrete(8),
            "results": spaces.Sequence(spaces.Dict(hit)),
            "product": spaces.Dict(product),
            "options": spaces.Sequence(spaces.Dict(option)),
            "score": spaces.Box(0.0, 1.0, (1,), np.float32),
        }
    )


def _structured(shopper: Shopper, known: frozenset[str], longest_query: int) -> dict[str, Any]:
    session, catalogue, prices = (
        shopper.session,
        shopper.shop.inventory.catalogue,
        shopper.shop.prices,
    )
    page, product = session.page, session.page.product
    hits = page.rows if page.kind == Kind.RESULTS else ()
    options = product.options if product is not None and page.kind == Kind.ITEM else {}
    below = page.lines[2:] if page.kind in (Kind.DESCRIPTION, Kind.FEATURES, Kind.REVIEWS) else ()
    return {
        "page": np.int64(page.kind),
        "instruction": session.goal.instruction,
        "query": "".join(c for c in session.query if c in known)[:longest_query],
        "page_number": np.int64(page.number),
        "results": tuple(
            {
                "asin": catalogue.asin(row),
                "name": catalogue.names[row],
                "price": _number(prices[row]),
                "opened": np.int64(f"click[{catalogue.asin(row).lower()}]" in session.opened),
            }
            for row in hits
        ),
        "product": {
            "asin": product.asin if product else "",
            "name": product.name if product else "",
            "price": _number(prices[page.rows[0]] if product else 0.0),
            "rating": _number(min(product.rating, FIVE_STARS) if product else 0.0),
            "text": "\n".join(line.text for line in below),
        },
        "options": tuple(
            {"name": name, "values": tuple(values), "chosen": session.options.get(name, "")}
            for name, values in options.items()
        ),
        "score": _number(session.verdict.reward if session.verdict else 0.0),
    }


def _number(value: float) -> Any:
    return np.array([value], dtype=np.float32)
