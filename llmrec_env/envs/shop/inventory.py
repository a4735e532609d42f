"""Opens a product catalogue with its search engine, once per process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral
from pathlib import Path

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import (
    atomic_path,
    cache_folder,
    check_writable,
    fingerprint,
    local_path,
)
from llmrec_env.envs.shop.catalogue.generated import generate_catalogue
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.catalogue.webshop_files import find_webshop_files, read_webshop
from llmrec_env.envs.shop.search.engine import LARGE, build_search, open_search
from llmrec_env.envs.text.engine import SearchEngine

LAYOUT = "shop-4"
"""Part of the name of a prepared folder: changes with what stands in it."""
IN_MEMORY = 2000
"""Generated catalogues up to this size are made anew in each process, in under two seconds."""
DEFAULT_SIZE = 1000

CatalogueSource = ProductCatalogue | int | str | os.PathLike[str] | None


@dataclass(frozen=True, eq=False)
class Inventory:
    """A catalogue and the engine that searches it, both read-only.

    Attributes:
        catalogue: the products.
        engine: finds them.
    """

    catalogue: ProductCatalogue
    engine: SearchEngine

    def __deepcopy__(self, memo: object) -> Inventory:
        return self


def open_inventory(source: CatalogueSource = None) -> Inventory:
    """The inventory of a source; the same source gives the same object.

    What is larger than 2,000 products is prepared once in the cache folder ($LLMREC_CACHE) and
    mapped into memory, so that processes share it.

    Args:
        source: a :class:`ProductCatalogue`; a number of products to generate, None for 1,000; a
            folder with the public WebShop files or one that :meth:`ProductCatalogue.save` wrote.

    Raises:
        DataError: the folder holds neither, or a record in it is bad.
        SettingError: it is none of these.
        MissingExtraError: the extra ``shop`` is not installed.
    """
    if isinstance(source, ProductCatalogue):
        return _of_catalogue(source)
    if source is None:
        source = DEFAULT_SIZE
    if isinstance(source, Integral) and not isinstance(source, bool):
        return _generated(int(source))
    if isinstance(source, (str, os.PathLike)) and os.fspath(source):
        return _of_folder(local_path(source, "catalogue").resolve())
    raise SettingError(
        "catalogue must be a ProductCatalogue, a number of products to generate, or the folder of "
        f"one; got {source!r}"
    )


def check_source(source: CatalogueSource) -> None:
    """Refuse a folder that holds no catalogue, at once and without reading one.

    Raises:
        DataError: it is not there, or holds neither public files nor a saved catalogue.
        SettingError: it is no path.
    """
    if isinstance(source, (str, os.PathLike)) and os.fspath(source):
        _files_of(local_path(source, "catalogue").resolve())


@lru_cache(maxsize=4)
def _of_catalogue(catalogue: ProductCatalogue) -> Inventory:
    if len(catalogue) <= LARGE:
        return Inventory(catalogue, build_search(catalogue))
    if catalogue.folder is None:
        raise SettingError(
            f"a catalogue of {len(catalogue)} products is searched on disk: save() it and pass the "
            "folder"
        )
    return _of_folder(catalogue.folder)


@lru_cache(maxsize=4)
def _generated(n_products: int) -> Inventory:
    if n_products <= IN_MEMORY:
        return _of_catalogue(generate_catalogue(n_products))
    name = fingerprint([LAYOUT, "generated", str(n_products)])
    return _prepared(name, lambda: generate_catalogue(n_products))


@lru_cache(maxsize=4)
def _of_folder(folder: Path) -> Inventory:
    files = _files_of(folder)
    if files is None:
        catalogue = ProductCatalogue.open(folder)
        name = fingerprint([LAYOUT, *_signs([folder / "catalogue.json", folder / "name.data.npy"])])
        return _prepared(name, lambda: catalogue)
    name = fingerprint([LAYOUT, *_signs([path for path in files if path is not None])])
    return _prepared(name, lambda: read_webshop(*files))


def _files_of(folder: Path) -> tuple[Path, Path, Path | None, Path | None] | None:
    """The public files in a folder; None where it is a saved catalogue."""
    if (folder / "catalogue.json").is_file():
        return None
    if not folder.is_dir():
        raise DataError(f"no folder {str(folder)!r}: catalogue must be one, or a number")
    return find_webshop_files(folder)


def _prepared(name: str, make: Callable[[], ProductCatalogue]) -> Inventory:
    """The inventory under a name in the cache folder, prepared where it is not there."""
    folder = cache_folder() / "shop" / name
    if not (folder / "index").is_dir():
        check_writable(folder, "the cache, which $LLMREC_CACHE moves")
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            make().save(temporary / "catalogue")
            build_search(ProductCatalogue.open(temporary / "catalogue"), temporary / "index")
    catalogue = ProductCatalogue.open(folder / "catalogue")
    return Inventory(catalogue, open_search(catalogue, folder / "index"))


def _signs(paths: list[Path]) -> list[str]:
    """What tells one state of files from another without reading them."""
    stats = [(path, path.stat()) for path in paths]
    return [f"{path}|{stat.st_size}|{stat.st_mtime_ns}" for path, stat in stats]
