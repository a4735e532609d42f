"""What looks the same is read the same, and what looks like a special token is text."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.tokenization import token_rows
from llmrec_env.users.language import EMBEDDED

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("Red\u200b Sh\u00adoes\ufeff", "is titled Red Shoes"),
        ("\u202eRed\u202c \u2066Shoes\u2069\u200f", "is titled Red Shoes"),
        ("Red\x00\x07\tShoes\r\n", "is titled Red Shoes"),
        ("Red\u00a0\u2003Shoes", "is titled Red Shoes"),
        ("\U000e0052Red\ufe0f Shoes\u3164", "is titled Red Shoes"),
        ("\u200b\u2800", ""),
        ("Café Bücher 本", "is titled Café Bücher 本"),
    ],
)
def test_invisible_characters_are_not_read(title: str, read: str) -> None:
    items = Catalogue(pl.DataFrame({"item_id": ["a"], "title": [title]}))
    assert items.sentences == [read]
    assert items.table["title"].item() == title  # the table stays as it was brought


def test_a_special_token_in_a_text_is_text() -> None:
    _, tokenizer = load_base_model(EMBEDDED / "base_model")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    special = set(tokenizer.all_special_ids)
    for token in ("</s>", "<s>", "<pad>", "<|im_end|>"):
        (row,) = token_rows([f"a {token} b"], tokenizer, 64)
        assert row[-1] == tokenizer.eos_token_id
        assert not special & set(row[:-1])
