"""Opens text files however they were written: gzipped or not, in any encoding, with a mark or not.

What comes out is UTF-8 without a byte order mark: the path itself where the file is that already,
so that polars reads it from the disk, else its bytes.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from llmrec_env.common.errors import DataError

MARKS = {  # the longer ones first: that of UTF-32 begins as that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
GZIP = b"\x1f\x8b"
CHUNK = 1 << 24

Source = Path | bytes
"""UTF-8 text, in a file or in memory."""


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, or what is inside it where it is gzipped."""
    with path.open("rb") as file:
        zipped = file.read(2) == GZIP or path.suffix == ".gz"
    return gzip.open(path) if zipped else path.open("rb")  # type: ignore[return-value]


def first_line_of(path: Path) -> str:
    """The first line of a text file, without its end; empty where there is none to be read."""
    try:
        with open_bytes(path) as file:
            start = _first_bytes(file)
    except (OSError, EOFError):
        return ""
    encoding = _marked(start)
    return _cut(start.decode(encoding, errors="replace")) if encoding else _line(start, "replace")


def first_line(start: bytes) -> str:
    """The first line in some UTF-8 bytes, without its end.

    Raises:
        UnicodeDecodeError: they are not UTF-8.
    """
    return _line(start, "strict")


def first_bytes_of(source: Source) -> bytes:
    """As much of a source as holds its first line, unless that is very long."""
    with open_utf8(source) as file:
        return _first_bytes(file)


def _first_bytes(file: IO[bytes]) -> bytes:
    start = file.read(1 << 16)
    while b"\n" not in start and len(start) < CHUNK and (more := file.read(1 << 20)):
        start += more
    return start


def _line(start: bytes, errors: str) -> str:
    return re.split(rb"\r\n|\r|\n", start, maxsplit=1)[0].decode("utf-8", errors)


def _cut(text: str) -> str:
    return re.split(r"\r\n|\r|\n", text, maxsplit=1)[0]


def utf8_source(path: Path, encoding: str = "utf-8") -> Source:
    """The file as UTF-8 text.

    Args:
        path: a text file, gzipped or not. A byte order mark says more than ``encoding``.
        encoding: as Python names it.

    Raises:
        DataError: it cannot be read or unpacked, or is in another encoding (naming the line).
    """
    try:
        with open_bytes(path) as file:
            start = file.read(4)
            mark = _marked(start)
            if isinstance(file, io.BufferedReader) and mark is None and _is_utf8(encoding):
                return path
            content = start + file.read()
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); fetch the file again") from None
    if mark == "utf-8-sig":
        return content[len(codecs.BOM_UTF8) :]
    if mark is None and _is_utf8(encoding):
        return content
    return _decoded(path, content, mark or encoding).encode("utf-8", "surrogatepass")


def text_of(path: Path, source: Source) -> str:
    """A source as a string.

    Raises:
        DataError: it is no UTF-8 (naming the line).
    """
    return _decoded(path, source if isinstance(source, bytes) else source.read_bytes(), "utf-8")


def open_utf8(source: Source) -> IO[bytes]:
    """Open a source for reading."""
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def line_chunks(source: Source) -> Iterator[bytes]:
    """The bytes of a source, in stretches of whole lines."""
    with open_utf8(source) as file:
        while chunk := file.read(CHUNK):
            yield chunk + file.readline()


def encoding_of(path: Path) -> str:
    """UTF-8 where the whole file is, else ISO-8859-1, as in many older datasets."""
    with open_bytes(path) as file:
        content = file.read()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "iso-8859-1"
    return "utf-8"


def _marked(start: bytes) -> str | None:
    return next((name for mark, name in MARKS.items() if start.startswith(mark)), None)


def _is_utf8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name in ("utf-8", "ascii")
    except LookupError:
        raise DataError(
            f"unknown encoding {encoding!r}; use a name such as 'utf-8' or 'iso-8859-1'"
        ) from None


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: not {encoding.upper()} text (byte {content[error.start]:#x} at "
            f"byte {error.start}); save the file as UTF-8, or pass "
            "encoding='iso-8859-1' (--encoding iso-8859-1) where the format takes an encoding"
        ) from None
