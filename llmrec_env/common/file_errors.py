"""Says in one line what the file system refused, whichever library met it."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from llmrec_env.common.errors import FileError, LLMRecError

FROM_RUST = re.compile(r"\(os error (\d+)\)")
"""How polars, safetensors and tokenizers name the number of an error."""


def refusal(error: BaseException) -> str | None:
    """Why the file system refused, such as "No space left on device"; None for other errors."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    if number := FROM_RUST.search(str(error)):
        return os.strerror(int(number[1]))
    return " ".join(str(error).split()) if isinstance(error, OSError) else None


def named_file(error: BaseException) -> str:
    """The file that an error names; empty where it names none."""
    name = getattr(error, "filename", None)
    return os.fsdecode(name) if isinstance(name, str | bytes) else ""


def told(error: BaseException) -> str:
    """An error in one line, without numbers of the operating system."""
    reason, name = refusal(error), named_file(error)
    if reason is None:
        return " ".join(str(error).split())
    return f"{reason}: {name}" if name else reason


@contextlib.contextmanager
def file_errors(doing: str, what: str | os.PathLike[str], scratch: str = "") -> Iterator[None]:
    """Turn what the file system refuses in this block into one line.

    Args:
        doing: "cannot write" or so.
        what: the file or folder in question.
        scratch: part of the names of temporary files, of which nobody has heard.

    Raises:
        FileError: a library could not read or write.
    """
    try:
        yield
    except LLMRecError:
        raise
    except Exception as error:
        reason, name = refusal(error), named_file(error)
        if reason is None:
            raise
        known = name and not (scratch and scratch in name)
        raise FileError(f"{doing} {name if known else os.fspath(what)}: {reason}") from error
