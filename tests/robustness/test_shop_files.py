"""Files of the shop that are malformed: each ends in one error of ours or in a right catalogue.

Products, prices, options, attributes, instructions, whole files and saved folders, drawn by
Hypothesis and the same in every run.
"""

from __future__ import annotations

import codecs
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.shop.rollouts import Rollout, load_rollouts, save_rollouts
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.envs.shop.catalogue import ProductCatalogue, generate_catalogue, read_webshop
from llmrec_env.envs.shop.env import ShopEnv
from llmrec_env.envs.shop.pages import Kind

fuzz = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.sampled_from(["\ud800", "\x00", "\x1b[31m", "</script>", "[x]", "  ", "nan", "9" * 400]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
FIELDS = (
    "asin",
    "name",
    "full_description",
    "small_description",
    "pricing",
    "average_rating",
    "product_category",
    "category",
    "query",
    "customization_options",
)
ABOUT = ("attributes", "instruction", "instruction_attributes")


def product(number: int, **parts: Any) -> dict[str, Any]:
    """A sound raw product."""
    return {
        "asin": f"B{number}",
        "name": f"Tall lamp {number}",
        "full_description": "It shines.",
        "small_description": ["Bright"],
        "pricing": "$12.99",
        "average_rating": "4.5",
        "product_category": "Home › Lamps",
        "category": "garden",
        "query": "lamps",
        "customization_options": {"Color": [{"value": "Red"}, {"value": "Blue/Green"}]},
    } | parts


ABOUT_LAMPS = {
    "attributes": ["bright"],
    "instruction": "Find me bright lamps",
    "instruction_attributes": ["bright"],
}


def written(folder: Path, items: Any, about: Any = None, human: Any = None) -> list[Path]:
    """The files of a shop: items, attributes and, if given, human instructions."""
    about = {f"B{n}": ABOUT_LAMPS for n in range(5)} if about is None else about
    parts = {"items.json": items, "about.json": about, "human.json": human}
    paths = []
    for name, part in parts.items():
        if part is not None:
            paths.append(folder / name)
            paths[-1].write_text(json.dumps(part), encoding="utf-8")
    return paths


def one_line(said: str) -> None:
    """An error is one line that a terminal shows whole."""
    assert "\n" not in said
    assert len(said) < 400, said


def read_or_refused(paths: list[Path]) -> ProductCatalogue | None:
    """The catalogue, or None where the files are refused in one line that names one of them."""
    try:
        return read_webshop(*paths)
    except DataError as error:
        said = str(error)
    one_line(said)
    assert any(path.name in said for path in paths), said
    return None


def shop_in(catalogue: ProductCatalogue, instructions: str = "synthetic") -> None:
    """What can be shown and bought of a catalogue is: every page is in the spaces."""
    for one in catalogue:
        assert 0.0 <= one.price_low <= one.price_high < math.inf
        assert 0.0 <= one.rating <= 5.0
    try:
        forms = ("text_rich", "html", "dict")
        envs = [ShopEnv(catalogue, instructions, split="all", observation=form) for form in forms]
    except LLMRecError as error:  # no goal can be made of it
        one_line(str(error))
        return
    for env in envs:
        seen, info = env.reset(seed=0)
        for action in ("search[lamp]", "open", "click[description]", "click[< prev]", "buy"):
            assert seen in env.observation_space
            if action == "open":
                action = next((a for a in info["valid_actions"] if a.startswith("click[b")), "")
            if action == "buy" and env.shopper.session.page.kind == Kind.ITEM:
                for value in info["valid_actions"][2:5]:
                    seen = env.step(value)[0]
                action = "click[buy now]"
            seen, reward, terminated, _, info = env.step(action)
            assert 0.0 <= reward <= 1.0
            if terminated:
                break


@fuzz
@given(st.sampled_from(FIELDS), values)
def test_a_field_of_a_product_may_be_anything(tmp_path: Path, field: str, value: Any) -> None:
    rows = [product(0), product(1, **{field: value}), product(2)]
    catalogue = read_or_refused(written(tmp_path, rows))
    if catalogue is not None:
        assert catalogue.asin(0) == "B0"
        shop_in(catalogue)


@fuzz
@given(st.sampled_from(ABOUT), values)
def test_attributes_and_instructions_may_be_anything(
    tmp_path: Path, field: str, value: Any
) -> None:
    about = {f"B{n}": ABOUT_LAMPS | ({field: value} if n == 1 else {}) for n in range(3)}
    catalogue = read_or_refused(written(tmp_path, [product(n) for n in range(3)], about))
    if catalogue is not None:
        shop_in(catalogue)


@fuzz
@given(st.dictionaries(st.text(max_size=8), values, max_size=3))
def test_options_may_be_anything(tmp_path: Path, options: Any) -> None:
    rows = [product(0), product(1, customization_options=options), product(2)]
    catalogue = read_or_refused(written(tmp_path, rows))
    if catalogue is not None:
        assert len(catalogue) == 3
        shop_in(catalogue)


@fuzz
@given(st.sampled_from(("instruction", "instruction_attributes", "instruction_options")), values)
def test_human_instructions_may_be_anything(tmp_path: Path, field: str, value: Any) -> None:
    sound = {"instruction": "i want a lamp", "instruction_attributes": ["bright"]}
    sound |= {"instruction_options": ["red"]}
    human = {"B0": [sound], "B1": [sound | {field: value}], "B9": [sound], "b2": value}
    catalogue = read_or_refused(written(tmp_path, [product(n) for n in range(3)], human=human))
    if catalogue is not None:
        assert {one.asin for one in catalogue.human} <= {"B0", "B1", "B2"}
        shop_in(catalogue, "human")


@pytest.mark.parametrize(
    ("pricing", "prices"),
    [
        ("$12.99", (12.99, 12.99)),
        ("$1,299.00", (1299.0, 1299.0)),
        ("$12.99 - $20", (12.99, 20.0)),
        ("$20.00-$12.99", (12.99, 20.0)),
        ("$12.99 ($0.50 / Ounce)", (0.5, 12.99)),
        ("", (100.0, 100.0)),
        (None, (100.0, 100.0)),
        ("$0", (0.0, 0.0)),
        ("$" + "9" * 400, None),
        ("$1e400", (1400.0, 1400.0)),
        ("$2,000,000,000", None),
        ("-$5", None),
        ("$-5.00", None),
        ("$3 - $-5", None),
        ("$1.2.3", None),
        ("$", None),
        ("free", None),
        (12.99, None),
        (0, None),
        (False, None),
        (["$1"], None),
    ],
)
def test_a_price_is_dollars_or_refused(
    tmp_path: Path, pricing: Any, prices: tuple[float, float] | None
) -> None:
    catalogue = read_or_refused(written(tmp_path, [product(0, pricing=pricing), product(1)]))
    found = None if catalogue is None else (catalogue[0].price_low, catalogue[0].price_high)
    assert found == prices


@pytest.mark.parametrize(
    ("rating", "stars"),
    [("4.5", 4.5), (5, 5.0), ("", 0.0), ("N.A.", 0.0), (None, 0.0), ("nan", 0.0), (True, 0.0)]
    + [(value, None) for value in ("inf", "-1", 5.1, 10**400, "1e400")],
)
def test_a_rating_is_stars_or_none_or_refused(
    tmp_path: Path, rating: Any, stars: float | None
) -> None:
    catalogue = read_or_refused(written(tmp_path, [product(0, average_rating=rating)]))
    assert (None if catalogue is None else catalogue[0].rating) == stars


@pytest.mark.parametrize("which", ["items.json", "about.json", "human.json"])
@pytest.mark.parametrize(
    ("damage", "read"),
    [
        (lambda raw: codecs.BOM_UTF8 + raw, True),
        (lambda raw: b"\n \t" + raw + b"\n\n", True),
        (lambda raw: raw.decode().encode("utf-16"), False),
        (lambda raw: b"", False),
        (lambda raw: raw[:-3], False),
        (lambda raw: raw + raw, False),
        (lambda raw: b'"' + raw, False),
        (lambda raw: b"null", False),
        (lambda raw: raw[:1] * 100_000, False),
        (lambda raw: raw[:1] + b'{"a":' * 100_000, False),
        (lambda raw: raw.replace(b"i", b"\xff"), False),
        (lambda raw: b"\x1f\x8b" + raw, False),
    ],
)
def test_a_file_is_read_whole_or_refused(
    tmp_path: Path, which: str, damage: Any, read: bool
) -> None:
    human = {"B0": [{"instruction": "i want it", "instruction_attributes": ["bright"]}]}
    paths = written(tmp_path, [product(n) for n in range(3)], human=human)
    whole = read_webshop(*paths)
    path = tmp_path / which
    path.write_bytes(damage(path.read_bytes()))
    catalogue = read_or_refused(paths)
    assert (catalogue is not None) is read
    if catalogue is not None:
        assert list(catalogue) == list(whole)
        assert catalogue.human == whole.human


def test_files_that_are_not_there_or_folders_are_refused(tmp_path: Path) -> None:
    items, about = written(tmp_path, [product(0)])
    for paths in ([tmp_path / "none.json", about], [items, tmp_path], [tmp_path, about]):
        with pytest.raises(DataError, match="cannot be read"):
            read_webshop(*paths)
    for address in ("s3://bucket/items.json", ""):
        with pytest.raises(LLMRecError):
            read_webshop(address, about)


# what the shop saved itself -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a saved catalogue."""
    folder = tmp_path_factory.mktemp("shop") / "saved"
    generate_catalogue(30).save(folder)
    return folder


def copied(saved: Path, folder: Path) -> Path:
    """A copy to damage."""
    folder.mkdir(parents=True)
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


CHANGES: dict[str, Any] = {
    "shorter": lambda a: a[:-1],
    "empty": lambda a: a[:0],
    "doubled": lambda a: np.concatenate([a, a]),
    "a table": lambda a: a.reshape(1, -1),
    "a number": lambda a: np.array(3),
    "other type": lambda a: a.astype("S3") if a.dtype.kind != "S" else a.astype("S4"),
    "reversed": lambda a: a[::-1],
    "negative": lambda a: -a.astype(np.int64) - 1 if a.dtype.kind in "iu" else -a,
    "huge": lambda a: a + a.dtype.type(10**6) if a.dtype.kind in "if" else a + a.dtype.type(200),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_saved_catalogue_with_another_column_is_refused_or_can_be_shopped_in(
    saved: Path, tmp_path: Path, change: str
) -> None:
    names = sorted(path.name for path in saved.glob("*.npy"))
    refused = 0
    for number, name in enumerate(names):
        array = np.load(saved / name)
        if change in ("negative", "huge") and array.dtype.kind == "S":
            continue
        folder = copied(saved, tmp_path / str(number))
        np.save(folder / name, CHANGES[change](array))
        try:
            opened = ProductCatalogue.open(folder)
            for one in opened:
                assert opened.row(one.asin) >= 0
        except DataError as error:
            one_line(str(error))
            refused += 1
    assert refused > len(names) // 2


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"facts": 1, "human": []}', '{"facts": {}, "human": []}']
)
def test_a_saved_catalogue_with_other_facts_is_refused(
    saved: Path, tmp_path: Path, text: str
) -> None:
    folder = copied(saved, tmp_path / "other")
    (folder / "catalogue.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"catalogue\.json"):
        ProductCatalogue.open(folder)


@pytest.mark.parametrize("key", ["n_products", "origin", "characters", "longest_page", "arrays"])
@pytest.mark.parametrize("value", [None, -1, 1.5, "x", [3], 10**9])
def test_facts_of_another_type_are_refused(
    saved: Path, tmp_path: Path, key: str, value: Any
) -> None:
    folder = copied(saved, tmp_path / "other")
    path = folder / "catalogue.json"
    known = json.loads(path.read_text(encoding="utf-8"))
    known["facts"][key] = value
    path.write_text(json.dumps(known), encoding="utf-8")
    if (key, value) in (("origin", "x"), ("characters", "x"), ("longest_page", 10**9)):
        ProductCatalogue.open(folder)
        return
    with pytest.raises(DataError):
        ProductCatalogue.open(folder)


@fuzz
@given(st.sampled_from(("goal", "instruction", "actions", "reward", "success", "other")), values)
def test_a_field_of_a_rollout_may_be_anything(tmp_path: Path, field: str, value: Any) -> None:
    path = tmp_path / "rollouts.json"
    save_rollouts(path, [Rollout(3, "Find me it", ("search[it]",), 1.0, True)])
    rows = json.loads(path.read_text(encoding="utf-8"))
    rows[0][field] = value
    path.write_text(json.dumps(rows), encoding="utf-8")
    try:
        (rollout,) = load_rollouts(path)
    except DataError as error:
        one_line(str(error))
        return
    assert isinstance(rollout.goal, int)
    assert all(isinstance(text, str) for text in (rollout.instruction, *rollout.actions))
    assert math.isfinite(rollout.reward)
    assert isinstance(rollout.success, bool)
