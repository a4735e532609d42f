"""Shops for the tests: the generated one, and the public 1,000 products where they are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrec_env.envs.shop.catalogue.generated import generate_catalogue
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.catalogue.webshop_files import find_webshop_files, read_webshop


@pytest.fixture(scope="session")
def small_catalogue() -> ProductCatalogue:
    """Two hundred generated products."""
    return generate_catalogue(200)


@pytest.fixture(scope="session")
def webshop_files(shared_data: Path) -> Path:
    """The folder of the public files."""
    return shared_data / "webshop"


@pytest.fixture(scope="session")
def webshop(webshop_files: Path) -> ProductCatalogue:
    """The public 1,000 products."""
    return read_webshop(*find_webshop_files(webshop_files))


@pytest.fixture(scope="session")
def tiny_lm(
    small_catalogue: ProductCatalogue, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The folder of a causal LM of two layers that has learned nothing; its tokenizer has met
    names of products."""
    from llmrec_env.language.lm.small_model import SmallModelConfig, small_base_model_of

    small = SmallModelConfig(
        hidden_size=16,
        layers=2,
        heads=2,
        kv_heads=1,
        intermediate_size=16,
        vocabulary=500,
        max_steps=0,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMREC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield small_base_model_of(
            [f"click[{name.lower()}]" for name in small_catalogue.names], small
        )
