"""Catalogues: columns, folders, the grammar, the readers and what they refuse."""

from __future__ import annotations

import json
import multiprocessing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.envs.shop.catalogue import (
    CatalogueBuilder,
    HumanInstruction,
    Product,
    ProductCatalogue,
    find_webshop_files,
    read_webshop,
)
from llmrec_env.envs.shop.catalogue import departments as grammar
from llmrec_env.envs.shop.catalogue.generated import generate_catalogue, generate_products
from llmrec_env.envs.shop.inventory import open_inventory
from llmrec_env.envs.shop.search.engine import document
from llmrec_env.envs.shop.words import title_case
from llmrec_env.envs.text.analyzer import Analyzer
from llmrec_env.envs.text.tantivy_index import TantivySearch

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
texts = st.lists(text, max_size=4).map(tuple)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(text, text, texts, texts, st.dictionaries(text, texts, max_size=3))))
def test_what_goes_into_the_columns_comes_out(rows: list[Any]) -> None:
    builder = CatalogueBuilder("test")
    products = [
        Product(f"P{n}", name, description, bullets, attributes=attributes, options=options)
        for n, (name, description, bullets, attributes, options) in enumerate(rows)
    ]
    for product in products:
        builder.add(product)
    if not products:
        with pytest.raises(DataError, match="no product"):
            builder.build()
        return
    catalogue = builder.build()
    assert list(catalogue) == products
    assert [catalogue.row(product.asin.lower()) for product in products] == list(range(len(rows)))
    with pytest.raises(DataError, match="no product"):
        catalogue.row("NONE")


def test_a_saved_catalogue_is_mapped_and_whole(tmp_path: Path) -> None:
    builder = CatalogueBuilder("test")
    for product in generate_products(50):
        builder.add(product)
    told = HumanInstruction("G", "i want it", ("good",), ("red",))
    builder.add_human(told)
    catalogue = builder.build()
    catalogue.save(tmp_path / "saved")
    opened = ProductCatalogue.open(tmp_path / "saved")
    assert list(opened) == list(catalogue)
    assert (opened.human, opened.facts) == ((told,), catalogue.facts)
    assert not opened.price_low.flags.writeable
    assert isinstance(opened.price_low.base, np.memmap)
    (tmp_path / "saved" / "name.data.npy").unlink()
    with pytest.raises(DataError, match=r"name\.data\.npy"):
        ProductCatalogue.open(tmp_path / "saved")
    with pytest.raises(DataError, match=r"catalogue\.json"):
        ProductCatalogue.open(tmp_path)


def test_the_same_seed_generates_the_same_products_and_more_begin_alike() -> None:
    few, many = list(generate_products(30, seed=3)), list(islice(generate_products(9000, 3), 30))
    assert few == many
    assert few != list(generate_products(30, seed=4))
    products = list(generate_catalogue(1000))
    assert len({product.asin for product in products}) == 1000
    assert {product.category for product in products} == {d.name for d in grammar.DEPARTMENTS}
    assert all(p.price_low <= p.price_high and 3.0 <= p.rating <= 5.0 for p in products)
    assert all({*p.instruction_attributes} <= {*p.attributes} for p in products)
    with pytest.raises(SettingError, match="n_products"):
        list(generate_products(0))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("men's shorts", "Men's Shorts"),
        ("women’s t-shirts", "Women’s T-Shirts"),
        ("plug and play", "Plug and Play"),
        ("easy to install", "Easy to Install"),
        ("to go", "To Go"),
        ("usb cables", "USB Cables"),
        ("non gmo", "Non GMO"),
        ("3d écharpes", "3d Écharpes"),
        ("", ""),
    ],
)
def test_titles_have_capitals_where_a_title_has_them(text: str, title: str) -> None:
    assert title_case(text) == title


def test_no_title_of_the_generated_shop_has_a_capital_within_a_word() -> None:
    names = [product.name for product in generate_products(1000)]
    assert any("Men's " in name for name in names)
    for name in names:
        words = name.replace("-", " ").replace(",", " ").split()
        assert all(word[1:] == word[1:].lower() or word in ("USB", "HDMI", "GMO") for word in words)


def test_other_words_share_none_with_what_they_stand_for_and_are_never_ambiguous() -> None:
    tables = [values for _, values in grammar.OPTIONS.values()]
    tables += [department.attributes for department in grammar.DEPARTMENTS]
    for table in tables:
        said = [other for others in table.values() for other in others]
        assert len(said) == len(set(said))
        for phrase, others in table.items():
            assert all(phrase not in other for other in others), phrase


def test_a_large_generated_stock_is_prepared_once_and_shared_by_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path))
    inventory = open_inventory(2500)
    assert inventory is open_inventory(2500)
    assert inventory.catalogue.folder is not None
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(first_hits, (inventory.catalogue,)) == first_hits(inventory.catalogue)
    assert len(list((tmp_path / "shop").iterdir())) == 1


def first_hits(catalogue: ProductCatalogue) -> tuple[str | None, list[int]]:
    """What another process sees: the folder it maps, and hits of a search."""
    engine = open_inventory(2500).engine
    return str(catalogue.folder), engine.search("gluten free popcorn")[:5].tolist()


def test_both_engines_find_a_product_by_its_words(
    small_catalogue: ProductCatalogue, tmp_path: Path
) -> None:
    documents = [f"{p.name} {p.description}".lower() for p in small_catalogue]
    engines = [
        open_inventory(small_catalogue).engine,
        TantivySearch.build(documents, tmp_path / "i"),
    ]
    for engine in engines:
        for row in range(0, 200, 40):
            assert row in engine.search(small_catalogue.names[row])
        assert len(engine.search("zzzz the of")) == 0
        assert len(engine.search("free")) <= 50


@pytest.fixture(scope="module")
def indexed(small_catalogue: ProductCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tantivy index of the small catalogue, products of a kind together."""
    folder: Path = tmp_path_factory.mktemp("tantivy") / "index"
    rows = sorted(range(200), key=lambda row: small_catalogue[row].query)
    TantivySearch.build((document(small_catalogue[row]) for row in rows), folder, rows)
    return folder


def stems_of(catalogue: ProductCatalogue) -> list[set[str]]:
    """The stems of each product."""
    cut = Analyzer()
    return [set(cut(document(product))) for product in catalogue]


def test_a_small_index_scores_every_product_that_has_a_word(
    small_catalogue: ProductCatalogue, indexed: Path
) -> None:
    stems, cut, engine = stems_of(small_catalogue), Analyzer(), TantivySearch(indexed)
    for row in range(0, 200, 20):
        query = small_catalogue.instructions[row]
        having = {other for other in range(200) if stems[other].intersection(cut(query))}
        assert set(engine.search(query, k=200).tolist()) == having
        best = engine.search(query)
        assert best.tolist() == TantivySearch(indexed).search(query).tolist()
        assert len(best) == min(50, len(having))


def test_a_large_index_requires_the_rarest_words(
    small_catalogue: ProductCatalogue, indexed: Path
) -> None:
    stems, everything = stems_of(small_catalogue), TantivySearch(indexed)
    engine = TantivySearch(indexed, small=30)  # as if two hundred products were many
    commonest = "size"
    for word in ("gluten", "popcorn", "lavend"):
        having = {row for row in range(200) if word in stems[row]}
        hits = engine.search(f"{word} in any {commonest}", k=3).tolist()
        assert set(hits) <= having
        ranked = everything.search(f"{word} in any {commonest}", k=200).tolist()
        assert hits == [row for row in ranked if row in having][:3]


def test_words_that_too_few_products_have_are_not_required(
    small_catalogue: ProductCatalogue, indexed: Path
) -> None:
    stems, engine = stems_of(small_catalogue), TantivySearch(indexed, small=10)
    popcorn = {row for row in range(200) if "popcorn" in stems[row]}
    shampoo = {row for row in range(200) if "shampoo" in stems[row]}
    assert popcorn
    assert shampoo
    assert not popcorn & shampoo
    hits = engine.search("popcorn shampoo", k=50).tolist()  # nothing is both
    assert set(hits) == popcorn | shampoo
    assert hits == TantivySearch(indexed).search("popcorn shampoo", k=50).tolist()
    assert engine.search("popcorn shampoo").tolist() == hits


@pytest.mark.parametrize("small", [1, 10_000])
def test_a_query_of_unknown_words_finds_nothing(indexed: Path, small: int) -> None:
    engine = TantivySearch(indexed, small)
    for query in ("", "the of", "zzzz", "zzzz qqqq the"):
        hits = engine.search(query)
        assert hits.shape == (0,)
        assert hits.dtype == np.int64
    assert engine.search("zzzz popcorn").tolist() == engine.search("popcorn").tolist()


RECORD = {
    "name": "Lamp",
    "full_description": "Bright.",
    "pricing": "$10.00 - $20.00",
    "small_description": ["One", "Two"],
    "product_category": "A › B",
    "average_rating": 4.5,
    "customization_options": {"Color": [{"value": "Red/Blue"}], "Size": None},
    "asin": "B000000001",
    "category": "garden",
    "query": "Lamps ",
}


def write(folder: Path, items: Any, about: Any = None, human: Any = None) -> None:
    """The public files with these contents."""
    about = about if about is not None else {"B000000001": {"attributes": ["bright"]}}
    (folder / "items_shuffle_3.json").write_text(json.dumps(items))
    (folder / "items_ins_v2_3.json").write_text(json.dumps(about))
    if human is not None:
        (folder / "items_human_ins.json").write_text(json.dumps(human))


def test_records_are_read_as_the_publisher_means_them(tmp_path: Path) -> None:
    others = [{"asin": "nan"}, {"asin": "B00000000001"}, RECORD, {"asin": "B2", "pricing": ""}]
    about = {
        "B000000001": {
            "attributes": ["bright"],
            "instruction": "Find me bright lamps",
            "instruction_attributes": ["bright"],
        }
    }
    told = {"instruction": "a lamp.", "instruction_attributes": ["bright"]}
    human = {
        "B000000001": [
            {**told, "instruction_options": ["red"]},
            {**told, "instruction_attributes": []},
        ],
        "B9": [told],
    }
    write(tmp_path, [RECORD, *others], about, human)
    catalogue = read_webshop(*find_webshop_files(tmp_path))
    assert [product.asin for product in catalogue] == ["B000000001", "B2"]
    lamp = catalogue[0]
    assert (lamp.price_low, lamp.price_high, lamp.query) == (10.0, 20.0, "lamps")
    assert lamp.options == {"color": ("red | blue",)}
    assert (lamp.bullets, lamp.attributes) == (("One", "Two"), ("bright",))
    assert catalogue[1].price_low == 100.0
    assert catalogue.human == (HumanInstruction("B000000001", "a lamp", ("bright",), ("red",)),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"asin": None}, "product 1.*asin"),
        ({"name": 3}, "product 1.*'name' must be a text"),
        ({"pricing": "$free"}, "product 1.*pricing"),
        ({"pricing": "cheap"}, "product 1.*pricing"),
        ({"pricing": 12}, "product 1.*pricing"),
        ({"small_description": {"a": 1}}, "product 1.*small_description"),
        ({"customization_options": ["red"]}, "product 1.*customization_options"),
        ({"customization_options": {"Color": ["red"]}}, "product 1.*'Color'"),
    ],
)
def test_bad_records_are_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path, [{**RECORD, **change}])
    with pytest.raises(DataError, match=message):
        read_webshop(*find_webshop_files(tmp_path))


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="items_shuffle"):
        find_webshop_files(tmp_path)
    write(tmp_path, {"not": "an array"})
    with pytest.raises(DataError, match="JSON array"):
        read_webshop(*find_webshop_files(tmp_path))
    (tmp_path / "items_shuffle_3.json").write_text('[{"asin": "B1"}, {"asin')
    with pytest.raises(DataError, match=r"items_shuffle_3\.json.*valid JSON"):
        read_webshop(*find_webshop_files(tmp_path))
    write(tmp_path, [RECORD], human={"B000000001": "buy"})
    with pytest.raises(DataError, match="list of instructions"):
        read_webshop(*find_webshop_files(tmp_path))
    for source in (tmp_path / "absent", 3.5, ""):
        with pytest.raises((DataError, SettingError), match=r"folder|catalogue"):
            open_inventory(source)  # type: ignore[arg-type]
