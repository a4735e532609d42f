"""Finds sentences that stand in many titles; they say nothing about any one item.

"Free shipping on all orders over 25 dollars", or a sentence that somebody smuggled in, is not what
an item is called. A language model that reads it learns, of the items that carry it, how often
those were taken, and says so of every other one that carries it.

A repeated sentence stands, word by word, in at least :data:`TITLES` titles that otherwise differ.
It is one of these:

* a sentence of its own (after a full stop or at the beginning, up to the next one or to the end) of
  at least :data:`WORDS` words, or of :data:`FEW_WORDS` in running text;
* a title's end in running text, of at least :data:`WORDS` words.

Running text is that most of whose words begin with a small letter, while the titles do not. So the
names of series, makers and sizes stay: they are shorter, or written like names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import polars as pl

WORDS = 7
FEW_WORDS = 4
TITLES = 5
SENTENCE_END = r"([.!?…。！？])\s+"
BREAK = "\x00"  # in no title: control characters are read as blanks
LAST_WORDS = rf"(\S+(?: \S+){{{WORDS - 1}}})$"
LOOSE_ENDS = " .,;:|/-–—·•"


def repeated_sentences(titles: pl.Series) -> dict[str, int]:
    """The sentences, longest first, each with the number of different titles that hold it.

    Args:
        titles: String, with single blanks between words.
    """
    has_room = titles.str.count_matches(" ", literal=True) >= FEW_WORDS
    long = titles.filter(has_room).unique(maintain_order=True)
    if len(long) < TITLES:
        return {}
    sentences, endings = _sentences(long), _endings(long)
    found = [*sentences, *endings]
    holders = long.filter(long.str.contains_any(found)) if found else long.clear()
    counts = {}
    for text in found:
        having = holders.filter(holders.str.contains(text, literal=True))
        if (text in sentences and len(text.split(" ")) >= WORDS) or _are_names(having):
            counts[text] = _different(having, text)
    kept = {text: count for text, count in counts.items() if count >= TITLES}
    return dict(sorted(kept.items(), key=lambda pair: (-len(pair[0]), pair[0])))


def without_sentences(titles: pl.Series, sentences: Iterable[str]) -> pl.Series:
    """The titles without some sentences, but for those that would be empty.

    Args:
        titles: String, with single blanks between words.
        sentences: the longest first, as :func:`repeated_sentences` finds them.
    """
    sentences = list(sentences)
    if not sentences:
        return titles
    places = titles.str.contains_any(sentences).arg_true()
    holders = titles[places]
    for sentence in sentences:
        has = holders.str.contains(sentence, literal=True)
        rest = holders.str.replace_all(sentence, "", literal=True).str.replace_all(r" {2,}", " ")
        rest = rest.str.strip_chars_end(LOOSE_ENDS).str.strip_chars_start()
        holders = rest.zip_with(has & (rest != ""), holders)
    return titles.clone().scatter(places, holders)


def _sentences(titles: pl.Series) -> list[str]:
    """Stretches between full stops that are long enough and stand in enough titles."""
    parts = titles.str.replace_all(SENTENCE_END, "${1}" + BREAK).str.split(BREAK)
    stretches = parts.list.unique().explode()
    frequent = _frequent(stretches.filter(stretches.str.count_matches(" ") >= FEW_WORDS - 1))
    words = [text.split(" ") for text in frequent]
    return [
        text
        for text, own in zip(frequent, words, strict=True)
        if len(own) >= WORDS or _is_small(own)
    ]


def _endings(titles: pl.Series) -> list[str]:
    """Ends of small words that enough titles share, each as long as they share it."""
    last = titles.str.extract(LAST_WORDS)
    frequent = [ending for ending in _frequent(last.drop_nulls()) if _is_small(ending.split(" "))]
    rows: dict[str, list[list[str]]] = {ending: [] for ending in frequent}
    having = last.is_in(frequent)
    for ending, title in zip(last.filter(having), titles.filter(having), strict=True):
        rows[ending].append(title.split(" "))
    shared = (_shared_words(titles) for titles in rows.values())
    return [" ".join(words) for words in shared if _is_small(words)]


def _shared_words(rows: list[list[str]], share: float = 0.9) -> list[str]:
    """The last words of nearly all rows, of which the last :data:`WORDS` are known to be shared."""
    size = WORDS
    while True:
        before = Counter(row[-size - 1] for row in rows if len(row) > size)
        word, count = before.most_common(1)[0] if before else ("", 0)
        if count < share * len(rows):
            return rows[0][-size:]
        rows = [row for row in rows if len(row) > size and row[-size - 1] == word]
        size += 1


def _is_small(words: list[str]) -> bool:
    """Whether most words begin with a small letter."""
    return 2 * sum(word[:1].islower() for word in words) > len(words)


def _are_names(titles: pl.Series) -> bool:
    """Whether most titles do not begin with a small letter."""
    return 2 * int(titles.str.contains(r"^\p{Ll}").sum()) < len(titles)


def _frequent(texts: pl.Series) -> list[str]:
    counts = texts.value_counts(name="titles")
    return sorted(counts.filter(pl.col("titles") >= TITLES)[texts.name].to_list())


def _different(titles: pl.Series, sentence: str) -> int:
    """How many titles differ in what they say beside the sentence."""
    rests = titles.str.replace_all(sentence, "", literal=True).str.strip_chars(LOOSE_ENDS)
    return rests.filter(rests != "").n_unique()
