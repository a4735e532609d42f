"""Shops for the tests: the generated one, and the public 1,000 products where they are there."""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def stories(shared_models: Path) -> Path:
    folder = shared_models / "stories260k"
    if not folder.is_dir():
        pytest.skip("../shared/models/stories260k is absent")
    return folder
