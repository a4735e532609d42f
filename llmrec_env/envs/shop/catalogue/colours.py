"""Names of colours, by which two options may be the same."""

from __future__ import annotations

from llmrec_env.envs.shop.words import words_of

_LIST = """
alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown
burgundy camel camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee cognac
copper coral cranberry cream crystal dark denim eggplant elephant espresso fuchsia gold granite
grape graphite grass gray green grey heather indigo ivory ivy khaki lavender lemon leopard light
lilac lime magenta maroon mauve merlot midnight mint mocha multicolor mushroom mustard natural
navy nude olive orange peach pewter pink plum purple rainbow red rose royal rust sand sapphire
seashell silver skull slate steel stone stonewash sunflower tan taupe teal tiger turquoise violet
walnut wheat white wine yellow
"""
COLOURS = tuple(_LIST.split())
"""The published list, in its alphabetical order: the first that is found counts."""

_KNOWN = frozenset(COLOURS)


def first_colour_within(text: str) -> str:
    """The first colour of the list that is a substring, else the text: the published rule.

    It finds ``tan`` in ``rectangular``; :func:`colour_words` does not.
    """
    return next((colour for colour in COLOURS if colour in text), text)


def colour_words(text: str) -> frozenset[str]:
    """The colours among the whole words of a text; ``gray`` counts as ``grey``."""
    return frozenset("grey" if w == "gray" else w for w in words_of(text) if w in _KNOWN)
