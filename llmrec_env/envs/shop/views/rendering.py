"""Renders a page as text, in the forms ``text``, ``text_rich``, ``html`` and ``url``."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from urllib.parse import quote

from llmrec_env.envs.shop.pages import SEARCH, Kind, Line, Page

SEPARATOR = " [SEP] "
SEARCH_FIELD = '<input type="search" name="search" aria-label="Search words" required autofocus>'
MAX_RENDERED = 64
"""Texts of one page that are kept: an item can be marked in many ways."""


def render_page(page: Page, form: str, marked: frozenset[str]) -> str:
    """The lines of a page, without the instruction.

    Args:
        page: the page.
        form: ``"text"``, ``"text_rich"`` or ``"html"``.
        marked: actions whose buttons are shown as clicked.
    """
    key = form, marked
    text = page.rendered.get(key)
    if text is None:
        if len(page.rendered) >= MAX_RENDERED:
            page.rendered.clear()
        text = page.rendered[key] = _FORMS[form](page.lines, marked)
    return text


def render_head(form: str, instruction: str) -> str:
    """What stands above the lines of a page."""
    if form == "text":
        return f"Instruction:{SEPARATOR}{instruction}{SEPARATOR}"
    if form == "text_rich":
        return f"Instruction:\n{instruction}\n"
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>WebShop</title></head><body>\n'
        f'<h4 id="instruction">{html.escape(instruction)}</h4>\n<form method="get">\n'
    )


def submitted(fields: Mapping[str, str]) -> str:
    """The action of a page's form, as a browser sends it: ``?search=words`` or ``?action=...``.

    Args:
        fields: what stands in the address, by name (``dict(urllib.parse.parse_qsl(query))``).

    Returns:
        ``search[words]`` or ``click[value]``; ``search[]``, which is invalid, where nothing stands.
    """
    return fields.get("action") or f"search[{fields.get('search', '')}]"


def url(page: Page, query: str, options: Mapping[str, str]) -> str:
    """The address of a page: kind, search words, page number, product and options."""
    parts = [page.kind.name.lower()]
    if page.kind in (Kind.INDEX, Kind.DONE):
        return f"/{parts[0]}"
    if page.product is not None:
        parts.append(page.product.asin)
    fields = [f"query={quote(query)}"]
    if page.kind == Kind.RESULTS:
        fields.append(f"page={page.number + 1}")
    fields += [f"{quote(name)}={quote(value)}" for name, value in sorted(options.items())]
    return f"/{'/'.join(parts)}?{'&'.join(fields)}"


def _rich(lines: tuple[Line, ...], marked: frozenset[str]) -> str:
    # a list: join() would make one of a generator's texts, slowly
    return "\n".join(
        [
            text
            if action is None
            else f"[clicked button] {text} [clicked button_]"
            if action in marked
            else f"[button] {text} [button_]"
            for text, action in lines
        ]
    )


def _plain(lines: tuple[Line, ...], marked: frozenset[str]) -> str:
    return SEPARATOR.join(line.text for line in lines)


def _html(lines: tuple[Line, ...], marked: frozenset[str]) -> str:
    """A form whose buttons send their actions, and whose field on the index page sends a search.

    Every text is escaped: a catalogue comes from strangers.
    """
    rendered = []
    for text, action in lines:
        shown = html.escape(text)
        if action is None:
            rendered.append(f"<p>{shown}</p>")
        elif action == SEARCH:
            rendered.append(SEARCH_FIELD)
            rendered.append(f"<button>{shown}</button>")
        else:
            clicked = ' class="clicked"' if action in marked else ""
            value = html.escape(action)
            rendered.append(f'<button name="action" value="{value}"{clicked}>{shown}</button>')
    return "\n".join(rendered) + "\n</form></body></html>"


_FORMS: dict[str, Callable[[tuple[Line, ...], frozenset[str]], str]] = {
    "text": _plain,
    "text_rich": _rich,
    "html": _html,
}
