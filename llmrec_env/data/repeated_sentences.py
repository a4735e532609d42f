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
    found = [*_sentences(long), *_endings(long)]
    counts = {text: _count(titles, text) for text in found}
    kept = {text: count for text, count in counts.items() if count >= TITLES}
    return dict(sorted(kept.items(), key=lambda pair: (-len(pair[0]), pair[0])))


def without_repeated_sentences(titles: pl.Series) -> pl.Series:
    """The titles without :func:`repeated_sentences`; the same series where there are none."""
    for sentence in repeated_sentences(titles):
        has = titles.str.contains(sentence, literal=True)
        rest = titles.str.replace_all(sentence, "", literal=True).str.replace_all(r" {2,}", " ")
        rest = rest.str.strip_chars_end(LOOSE_ENDS).str.strip_chars_start()
        titles = rest.zip_with(has & (rest != ""), titles)
    return titles


def _sentences(titles: pl.Series) -> list[str]:
    """Stretches between full stops that are long enough and stand in enough titles."""
    parts = titles.str.replace_all(SENTENCE_END, "${1}" + BREAK).str.split(BREAK)
    stretches = parts.list.unique().explode()
    frequent = _frequent(stretches.filter(stretches.str.count_matches(" ") >= FEW_WORDS - 1))
    return [
        text
        for text in frequent
        if text.count(" ") >= WORDS - 1
        or _is_running_text(text.split(" "), titles.filter(titles.str.contains(text, literal=True)))
    ]


def _endings(titles: pl.Series) -> list[str]:
    """Ends in running text that enough titles share, each as long as they share it."""
    last = titles.str.extract(LAST_WORDS)
    endings = []
    for ending in _frequent(last.drop_nulls()):
        having = titles.filter(last == ending)
        shared = _shared_words([title.split(" ") for title in having])
        if _is_running_text(shared, having):
            endings.append(" ".join(shared))
    return endings


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


def _is_running_text(words: list[str], titles: pl.Series) -> bool:
    """Whether most words begin with a small letter, and most titles that hold them do not."""
    small_words = sum(word[:1].islower() for word in words)
    small_titles = int(titles.str.contains(r"^\p{Ll}").sum())
    return 2 * small_words > len(words) and 2 * small_titles < len(titles)


def _frequent(texts: pl.Series) -> list[str]:
    counts = texts.value_counts(name="titles")
    return sorted(counts.filter(pl.col("titles") >= TITLES)[texts.name].to_list())


def _count(titles: pl.Series, sentence: str) -> int:
    """How many titles hold the sentence and differ in what else they say."""
    having = titles.filter(titles.str.contains(sentence, literal=True))
    rests = having.str.replace_all(sentence, "", literal=True).str.strip_chars(LOOSE_ENDS)
    return rests.filter(rests != "").n_unique()
