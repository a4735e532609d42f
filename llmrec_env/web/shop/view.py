"""``PageView``: what a template shows of a page of the shop, with the shop's own actions."""

from __future__ import annotations

from dataclasses import dataclass

from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.goals.goal import NO_LIMIT
from llmrec_env.envs.shop.pages import SUB_PAGES, Kind, Page
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.shop import Shop

INDEX, NEXT, BACK = "click[back to search]", "click[next >]", "click[< prev]"
BUY = "click[buy now]"


@dataclass(frozen=True)
class Button:
    """Something to click: its text, the action it sends, and whether it is shown as clicked."""

    text: str
    action: str
    marked: bool = False


@dataclass(frozen=True)
class Hit:
    """A product among results: its button (the asin), name and price in dollars."""

    button: Button
    name: str
    price: float


@dataclass(frozen=True)
class ProductView:
    """The product that is open: name, price in dollars, stars (0 where unknown), the values of each
    option, and the buttons that read on."""

    name: str
    price: float
    stars: float
    options: tuple[tuple[str, tuple[Button, ...]], ...]
    reading: tuple[Button, ...]


@dataclass(frozen=True)
class PageView:
    """A page.

    Attributes:
        kind: of :class:`llmrec_env.envs.shop.pages.Kind`, in lower case.
        instruction: what is to be bought.
        query: the last search; "" before the first.
        suggested: searches that the environment names on the index page.
        ways: the buttons that lead back or on.
        hits: products of a page of results; first: the place of the first one, from 1; total: of
            all hits.
        product: the one that is open.
        paragraphs: of a page that is read.
    """

    kind: str
    instruction: str
    query: str
    suggested: tuple[Button, ...]
    ways: tuple[Button, ...]
    hits: tuple[Hit, ...]
    first: int
    total: int
    product: ProductView | None
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What a goal asks for: the product that it was made from, and what must hold, in words."""

    name: str
    asin: str
    wants: tuple[str, ...]


def page_view(shop: Shop, session: Session) -> PageView:
    """What a shopper sees now."""
    page = session.page
    return PageView(
        kind=page.kind.name.lower(),
        instruction=session.goal.instruction,
        query=session.query,
        suggested=_suggested(page) if page.is_index else (),
        ways=_ways(page),
        hits=_hits(shop, session) if page.is_results else (),
        first=page.number * 10 + 1,
        total=page.total,
        product=_product(shop, session) if page.product is not None else None,
        paragraphs=_paragraphs(page),
    )


def wish_of(goal: Goal) -> Wish:
    """What is asked for, which nobody is told before the end."""
    options = goal.options
    named = (
        [f"{name}: {value}" for name, value in options.items()]
        if isinstance(options, dict)
        else list(options)
    )
    wants = [*goal.attributes, *named]
    if goal.price_lower > 0:
        wants.append(f"from ${goal.price_lower:,.2f}")
    if goal.price_upper < NO_LIMIT:
        wants.append(f"at most ${goal.price_upper:,.2f}")
    if goal.rating_lower > 0:
        wants.append(f"{goal.rating_lower:g} stars or more")
    return Wish(goal.name, goal.asin, tuple(wants))


def _suggested(page: Page) -> tuple[Button, ...]:
    return tuple(Button(action[len("search[") : -1], action) for action in page.valid)


def _ways(page: Page) -> tuple[Button, ...]:
    back = {Kind.RESULTS: "Previous page", Kind.ITEM: "Back to results"}.get(page.kind, "Back")
    names = {INDEX: "New search", BACK: back, NEXT: "Next page"}
    return tuple(Button(text, action) for action, text in names.items() if action in page.moves)


def _hits(shop: Shop, session: Session) -> tuple[Hit, ...]:
    catalogue, marked = shop.inventory.catalogue, session.marked()
    hits = []
    for row in session.page.rows:
        asin = catalogue.asin(row)
        action = f"click[{asin.lower()}]"
        button = Button(asin, action, action in marked)
        hits.append(Hit(button, catalogue.names[row], float(shop.prices[row])))
    return tuple(hits)


def _product(shop: Shop, session: Session) -> ProductView:
    page, marked = session.page, session.marked()
    product = page.product
    assert product is not None
    options: dict[str, list[Button]] = {}
    for action, move in page.moves.items():
        if move.kind == "choose":
            name, value = move.value
            options.setdefault(name, []).append(Button(value, action, action in marked))
    reading = [Button(name.capitalize(), f"click[{name}]") for name in SUB_PAGES]
    return ProductView(
        name=product.name,
        price=float(shop.prices[page.rows[0]]),
        stars=product.rating,
        options=tuple((name, tuple(values)) for name, values in options.items()),
        reading=tuple(button for button in reading if button.action in page.moves),
    )


def _paragraphs(page: Page) -> tuple[str, ...]:
    """The texts of a page that is read; those of others stand in their parts."""
    if page.kind not in SUB_PAGES.values():
        return ()
    return tuple(line.text for line in page.lines if line.action is None)
