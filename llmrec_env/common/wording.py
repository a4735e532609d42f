"""Words for messages: values and lists of names, cut where they are long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CHARACTERS = 80
"""Characters of a value that a message shows, at most."""

NAMES = 20
"""Names that a message lists, at most."""


def shown(value: object) -> str:
    """A value as Python writes it, in one line and cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}… ({len(text)} characters)"


def listed(names: Iterable[object], most: int = NAMES) -> str:
    """Names joined by commas, the first of them where there are many; ``none`` without any."""
    texts = [str(name) for name in names]
    more = f", … ({len(texts)} in all)" if len(texts) > most else ""
    return ", ".join(name[:CHARACTERS] for name in texts[:most]) + more or "none"


def own_names(names: Iterable[str], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Names as the code has them, for names or the labels of printed tables, in any case.

    Args:
        names: what a person wrote; a name that is unknown stays as it is.
        labels: by each name the label that tables and reports print.
    """
    known = {label.casefold(): name for name, label in labels.items()}
    known |= {name.casefold(): name for name in labels}
    return tuple(known.get(name.strip().casefold(), name) for name in names)
