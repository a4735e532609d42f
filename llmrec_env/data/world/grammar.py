"""Writes titles and descriptions of the generated world's items with a small grammar.

An item has hidden attributes (its kind, genre, mood, …). The grammar names some of them, each by
one of several synonyms, leaves others out, and mixes in words that say nothing. A few words stand
for more than one attribute ("cold" is a mood and a place), so a text helps and is no oracle.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec_env.common.arrays import IntArray
from llmrec_env.data.catalogue import Catalogue

KINDS: dict[str, tuple[str, ...]] = {
    "Books": ("novel", "book", "tale", "story"),
    "Films": ("film", "picture", "feature", "story"),
    "Games": ("game", "quest", "puzzle", "adventure"),
    "Music": ("album", "record", "song cycle", "suite"),
    "Podcasts": ("podcast", "series", "audio drama", "show"),
    "Comics": ("comic", "graphic novel", "series", "strip"),
}

GENRES: dict[str, tuple[str, ...]] = {
    "mystery": ("detective", "whodunit", "locked-room", "puzzle-box"),
    "romance": ("romantic", "courtship", "love", "slow-burn"),
    "horror": ("ghost", "horror", "haunted", "dark"),
    "comedy": ("comic", "slapstick", "screwball", "sharp"),
    "adventure": ("adventure", "treasure-hunt", "swashbuckling", "wild"),
    "drama": ("dramatic", "character", "slow-burn", "kitchen-table"),
    "fantasy": ("fantasy", "sorcery", "fairy-tale", "strange"),
    "science": ("speculative", "robot", "first-contact", "strange"),
    "biography": ("biographical", "true-life", "memoir-like", "character"),
    "thriller": ("thriller", "cat-and-mouse", "manhunt", "dark"),
}

MOODS: dict[str, tuple[str, ...]] = {
    "bleak": ("bleak", "cold", "grim", "dark"),
    "warm": ("warm", "generous", "cosy", "rich"),
    "playful": ("playful", "mischievous", "light", "bright"),
    "tense": ("tense", "breathless", "sharp", "restless"),
    "dreamy": ("dreamy", "hazy", "strange", "floating"),
    "solemn": ("solemn", "stately", "old", "grave"),
    "wild": ("wild", "feverish", "loud", "restless"),
    "tender": ("tender", "gentle", "quiet", "light"),
}

SETTINGS: dict[str, tuple[str, ...]] = {
    "sea": ("aboard a whaling ship", "in a harbour town", "on the open sea", "among the islands"),
    "city": ("in a crowded city", "along neon streets", "between two subway stops", "downtown"),
    "desert": ("in the desert", "at a trading post on the dunes", "under a merciless sun"),
    "court": ("at a royal court", "behind palace doors", "in the chambers of a queen"),
    "village": ("in a quiet village", "on a hill farm", "where everyone knows everyone"),
    "space": ("on a mining moon", "aboard a generation ship", "under a dying star"),
    "polar": ("at an ice station", "in the cold north", "across a frozen bay"),
    "school": ("at a boarding school", "in a cold dormitory", "among first-year students"),
    "forest": ("deep in the woods", "at the edge of an old forest", "under tall pines"),
    "stage": ("backstage at a theatre", "around a fading star", "with a travelling company"),
}

ERAS: dict[str, tuple[str, ...]] = {
    "ancient": ("in the age of bronze", "when the old gods still walked", "long before writing"),
    "medieval": ("in a plague year", "under the old kings", "in a century of castles"),
    "industrial": ("in the years of steam", "by gaslight", "as the first railways open"),
    "wartime": ("during the blockade", "in the last winter of a war", "between two raids"),
    "present": ("today", "this very summer", "in the present day"),
    "future": ("two hundred years from now", "after the machines left", "in a far century"),
}

THEMES: dict[str, tuple[str, ...]] = {
    "revenge": ("vengeance", "an old score", "a debt of blood", "payback"),
    "family": ("sisters and brothers", "a house and its heirs", "the bond of blood", "kin"),
    "ambition": ("the climb to power", "a rise and a fall", "wanting too much", "rivals"),
    "exile": ("leaving home", "the lost country", "strangers without papers", "banishment"),
    "friendship": ("unlikely friends", "a bond that holds", "two companions", "loyalty"),
    "grief": ("mourning", "a lost child", "learning to let go", "what the dead leave"),
    "money": ("a fortune in gold", "a swindle", "a debt that grows", "greed"),
    "faith": ("doubt and prayer", "a restless spirit", "a vow", "belief"),
    "discovery": ("a lost map", "an impossible invention", "the first to see", "curiosity"),
    "betrayal": ("a broken vow", "treachery", "the friend who lied", "a double life"),
}

SETTING_NAMES: dict[str, tuple[str, ...]] = {
    "sea": ("Tide", "Harbour", "Lighthouse", "Current"),
    "city": ("Avenue", "Rooftop", "Crossing", "Current"),
    "desert": ("Dune", "Well", "Caravan", "Mirage"),
    "court": ("Crown", "Throne", "Court", "Mirror"),
    "village": ("Orchard", "Well", "Lane", "Chapel"),
    "space": ("Orbit", "Star", "Signal", "Airlock"),
    "polar": ("Winter", "Glacier", "Signal", "Aurora"),
    "school": ("Lesson", "Dormitory", "Court", "Term"),
    "forest": ("Grove", "Thicket", "Lantern", "Hollow"),
    "stage": ("Curtain", "Star", "Mirror", "Encore"),
}

THEME_NAMES: dict[str, tuple[str, ...]] = {
    "revenge": ("Reckoning", "Debt", "Knife", "Answer"),
    "family": ("Inheritance", "Daughters", "House", "Blood"),
    "ambition": ("Ascent", "Fall", "Ladder", "Prize"),
    "exile": ("Departure", "Border", "Suitcase", "Stranger"),
    "friendship": ("Companions", "Promise", "Pair", "Letter"),
    "grief": ("Silence", "Absence", "Ashes", "Letter"),
    "money": ("Debt", "Gold", "Ledger", "Prize"),
    "faith": ("Vow", "Pilgrim", "Bell", "Silence"),
    "discovery": ("Map", "Lantern", "Question", "Secret"),
    "betrayal": ("Vow", "Mask", "Secret", "Knife"),
}

MAKER_FIRST = ("Harrow", "Lund", "Ostrava", "Quill", "Tamsin", "Vesper", "Corvid", "Ninefold")
MAKER_LAST = ("& Finch", "Works", "Collective", "Brothers", "House", "Union", "& Daughter", "Lane")

OPENINGS = (
    "A {mood} {genre} {kind} {setting}, {era}.",
    "{era}, {setting}: a {mood} {genre} {kind}.",
    "This {genre} {kind} takes place {setting} and keeps a {mood} tone.",
    "{setting}, a {mood} and {filler} {genre} {kind} unfolds {era}.",
    "Set {era}, a {genre} {kind} that begins {setting}.",
    "A {filler} {genre} {kind}, {mood} from the first minute.",
)

PLOTS = (
    "It turns on {theme}.",
    "At its heart lies {theme}.",
    "It asks what remains of {theme}.",
    "Expect {theme}, and {remark}.",
    "From {second} to {theme}.",
    "{theme} and {second} share the blame.",
)

REMARKS = (
    "Newly remastered.",
    "A favourite of night readers.",
    "Winner of a small prize.",
    "Told in twelve parts.",
    "With notes by the maker.",
    "Comes in a plain sleeve.",
    "Often borrowed, seldom returned.",
    "Better the second time.",
)

TITLES = (
    "The {mood} {place}",
    "{theme} and {place}",
    "The {place} of {theme}",
    "{mood} {theme}",
    "The {theme} {place}",
    "{mood} {place}, {mood2} {theme}",
    "No {theme} for the {place}",
)

FILLERS = ("compact", "celebrated", "unhurried", "much-copied", "overlooked", "two-part", "debut")
SMALL_REMARKS = ("a good deal of weather", "one long journey", "a dog", "several letters")

ATTRIBUTES = {
    "kind": tuple(KINDS),
    "genre": tuple(GENRES),
    "mood": tuple(MOODS),
    "setting": tuple(SETTINGS),
    "era": tuple(ERAS),
    "theme": tuple(THEMES),
}
MAKERS = tuple(f"{first} {last}" for last in MAKER_LAST[:5] for first in MAKER_FIRST)


def write_catalogue(attributes: dict[str, IntArray], rng: np.random.Generator) -> Catalogue:
    """Write the texts of the items.

    Args:
        attributes: for each name in ``ATTRIBUTES`` and for ``"maker"``, the value of each item
            as an index into its words, int64 (n_items,).
        rng: draws the words.

    Returns:
        A catalogue with ``title`` (unique), ``category``, ``brand`` and ``description``.
    """
    n_items = len(attributes["maker"])
    taken: set[str] = set()
    rows = []
    for i in range(n_items):
        item = {name: values[attributes[name][i]] for name, values in ATTRIBUTES.items()}
        rows.append(
            {
                "item_id": f"i{i:05d}",
                "title": _unique_title(item, taken, rng),
                "category": item["kind"],
                "brand": MAKERS[attributes["maker"][i]],
                "description": _description(item, rng),
            }
        )
    return Catalogue(pl.DataFrame(rows))


def _pick(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _description(item: dict[str, str], rng: np.random.Generator) -> str:
    """Two or three sentences, each from a template."""
    words = {
        "kind": _pick(KINDS[item["kind"]], rng),
        "genre": _pick(GENRES[item["genre"]], rng),
        "mood": _pick(MOODS[item["mood"]], rng),
        "setting": _pick(SETTINGS[item["setting"]], rng),
        "era": _pick(ERAS[item["era"]], rng),
        "theme": _pick(THEMES[item["theme"]], rng),
        "second": _pick(THEMES[_pick(tuple(THEMES), rng)], rng),
        "filler": _pick(FILLERS, rng),
        "remark": _pick(SMALL_REMARKS, rng),
    }
    sentences = [_pick(OPENINGS, rng), _pick(PLOTS, rng)]
    if rng.random() < 0.4:
        sentences.append(_pick(REMARKS, rng))
    return " ".join(_sentence(template.format(**words)) for template in sentences)


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    for vowel in "aeiou":
        text = text.replace(f" a {vowel}", f" an {vowel}").replace(f"A {vowel}", f"An {vowel}")
    return text


def _unique_title(item: dict[str, str], taken: set[str], rng: np.random.Generator) -> str:
    """A title that no item bears yet; a numeral tells apart what the words cannot."""
    title, attempts = "", 0
    while not title or title in taken:
        title = _pick(TITLES, rng).format(
            mood=_pick(MOODS[item["mood"]], rng).capitalize(),
            mood2=_pick(MOODS[item["mood"]], rng).capitalize(),
            place=_pick(SETTING_NAMES[item["setting"]], rng),
            theme=_pick(THEME_NAMES[item["theme"]], rng),
        )
        title, attempts = _sentence(title), attempts + 1
        if attempts > 5:
            title = f"{title}, Part {attempts - 4}"
    taken.add(title)
    return title
