"""The fingerprint of a catalogue, and the door that lets no other catalogue through."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import Catalogue, check_same_catalogue

pytestmark = pytest.mark.core


def catalogue(*ids: str, **texts: list[str]) -> Catalogue:
    return Catalogue(pl.DataFrame({"item_id": list(ids), **texts}))


def test_the_fingerprint_is_of_the_ids_in_their_order() -> None:
    own = catalogue("a", "b", "c")
    assert own.fingerprint == catalogue("a", "b", "c", title=["x", "y", "z"]).fingerprint
    others = [catalogue("b", "a", "c"), catalogue("a", "b"), catalogue("a", "bc", "")]
    assert len({own.fingerprint, *(other.fingerprint for other in others)}) == 4
    # saved folders hold it, so it must be the same in every process and every version
    assert own.fingerprint == "3d10f2e96612f828"


def test_the_same_items_pass_whatever_their_texts() -> None:
    check_same_catalogue(catalogue("a", "b"), catalogue("a", "b", title=["x", "y"]), "the log")


@pytest.mark.parametrize(
    ("other", "place"),
    [
        (catalogue("a", "c"), "; item 1 is 'c' and should be 'b'"),
        (catalogue("b", "a"), "; item 0 is 'b' and should be 'a'"),
        (catalogue("a", "b", "c"), ""),
        (catalogue("a"), ""),
        (catalogue(), ""),
    ],
)
def test_another_catalogue_is_refused(other: Catalogue, place: str) -> None:
    with pytest.raises(DataError, match="the log: of another catalogue") as refused:
        check_same_catalogue(catalogue("a", "b"), other, "the log")
    assert place in str(refused.value)
    assert "\n" not in str(refused.value)
