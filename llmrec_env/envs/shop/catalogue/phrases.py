"""Other words for the generated shop's option values and attributes, read from small tables."""

from __future__ import annotations

Phrases = dict[str, tuple[str, ...]]
"""A phrase as the products have it, and other words for it."""
PER_VALUE = 6
"""Other words for each value: enough that some are kept for validation and test goals."""


def read_phrases(table: str) -> Phrases:
    """A table of values, one a line, each with its other words below it, indented and parted by |.

    No phrase holds a comma, a stop or a colon: these part the clauses of an instruction.
    """
    phrases: Phrases = {}
    value = ""
    for line in table.strip("\n").split("\n"):
        if line.startswith(" "):
            phrases[value] += tuple(phrase.strip() for phrase in line.split("|"))
        else:
            value = line
            phrases[value] = ()
    return phrases
