"""Safetensors files: read whole or refused by name, and told apart by one line a tensor."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from llmrec_env.common.errors import DataError

POINTER = b"version https://git-lfs.github.com"
"""How the small file begins that stands for a large one where Git LFS has not fetched it."""
SAMPLE = 4096
"""Numbers of a tensor that :func:`sample_lines` reads, about."""


def read_tensors(
    path: str | os.PathLike[str], device: str | torch.device = "cpu"
) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name.

    Raises:
        DataError: the file is missing, a pointer of Git LFS, cut off, or nothing of the kind.
    """
    refuse_pointer(path)
    try:
        return load_file(path, device=str(device))
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise _not_whole(path, error) from error


def read_finite(
    path: str | os.PathLike[str], device: str | torch.device = "cpu"
) -> dict[str, Tensor]:
    """As :func:`read_tensors`, where every number must be one.

    Raises:
        DataError: the file cannot be read, or a tensor holds NaN or infinity.
    """
    tensors = read_tensors(path, device)
    for name, value in tensors.items():
        _refuse_infinite(path, name, value)
    return tensors


def refuse_pointer(path: str | os.PathLike[str]) -> None:
    """Refuse a file that is not there, or that Git LFS has not fetched.

    Raises:
        DataError: it is so.
    """
    try:
        with Path(path).open("rb") as file:
            begins = file.read(len(POINTER))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if begins == POINTER:
        raise DataError(
            f"{path} is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"
        )


def check_whole(path: str | os.PathLike[str]) -> None:
    """Refuse a safetensors file that :func:`read_tensors` could not read, by its header alone.

    Raises:
        DataError: it is a pointer of Git LFS, cut off, or nothing of the kind.
    """
    refuse_pointer(path)
    try:
        with safe_open(path, framework="pt"):
            pass
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise _not_whole(path, error) from error


def _not_whole(path: str | os.PathLike[str], error: Exception) -> DataError:
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    return DataError(
        f"{path} is no whole safetensors file ({reason}); copy it again from where it came"
    )


def tensor_lines(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """One line a tensor, of its dtype, shape and numbers: ``"float32 [8, 128] 3d10f2e96612f828"``.

    Two tensors have the same line where they are the same to the last bit. A gigabyte takes about
    half a second.
    """
    return {name: f"{_form(value)} {_digest(value)}" for name, value in sorted(tensors.items())}


def sample_lines(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """One line a tensor, of its shape and some of its numbers, whatever the dtype it is read in.

    For weights that stand elsewhere: other ones are told at once, a single exchanged number is not.
    Numbers are compared as bfloat16; the line of a tensor in float16, which rounds otherwise, has
    none.
    """
    return {name: _sample(value) for name, value in sorted(tensors.items())}


def _sample(value: Tensor) -> str:
    shape = str(list(value.shape))
    if value.dtype not in (torch.float32, torch.bfloat16):
        return shape
    some = value.detach().flatten()[:: max(1, value.numel() // SAMPLE)]
    return f"{shape} {_digest(some.bfloat16())}"


def check_lines(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], saved: Mapping[str, str]
) -> None:
    """Refuse tensors that are not those of which :func:`tensor_lines` made ``saved``.

    Raises:
        DataError: one is missing or new, or has another dtype, shape or other numbers.
    """
    check_forms(path, tensors, {name: line.rpartition(" ")[0] for name, line in saved.items()})
    for name, value in tensors.items():
        if _digest(value) != saved[name].rpartition(" ")[2]:
            raise DataError(
                f"{path}: the numbers of tensor {name!r} are not those that were saved; "
                "copy the file again from where it came"
            )


def check_forms(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], expected: Mapping[str, str]
) -> None:
    """Refuse tensors of other names or forms than ``expected``, such as ``"float32 [8, 128]"``.

    Raises:
        DataError: one is missing or new, or has another form.
    """
    missing, new = sorted(expected.keys() - tensors), sorted(tensors.keys() - expected)
    if missing:
        also = f" (it has {new[0]!r}, which does not belong there)" if new else ""
        raise DataError(f"{path}: {_count(missing)} missing, first {missing[0]!r}{also}")
    if new:
        raise DataError(f"{path}: {_count(new)} too many, first {new[0]!r}")
    for name, value in tensors.items():
        if _form(value) != expected[name]:
            raise DataError(f"{path}: tensor {name!r} is {_form(value)}, expected {expected[name]}")


def check_shapes(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, tuple[int, ...]],
    integers: Collection[str] = (),
) -> None:
    """Refuse tensors of other names or shapes than ``expected``, or that are no finite floats.

    Args:
        path: of their file, for the error.
        tensors: what it holds.
        expected: shapes by name.
        integers: names of those that are integers.

    Raises:
        DataError: one is so.
    """
    forms = {
        name: f"{_dtype(tensors[name])} {list(shape)}" if name in tensors else ""
        for name, shape in expected.items()
    }
    check_forms(path, tensors, forms)
    for name, value in tensors.items():
        kind = "integers" if name in integers else "floats"
        if value.is_floating_point() != (kind == "floats") or value.dtype == torch.bool:
            raise DataError(f"{path}: tensor {name!r} is {_form(value)}, expected {kind}")
        _refuse_infinite(path, name, value)


def _refuse_infinite(path: str | os.PathLike[str], name: str, value: Tensor) -> None:
    if not is_finite(value):
        raise DataError(f"{path}: tensor {name!r} holds NaN or infinity")


def is_finite(value: Tensor) -> bool:
    """Whether no number of a tensor is NaN or infinite, in one pass over it."""
    if not value.numel():
        return True
    low, high = torch.aminmax(value.detach())
    return bool(torch.isfinite(low) & torch.isfinite(high))


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _form(value: Tensor) -> str:
    return f"{_dtype(value)} {list(value.shape)}"


def _digest(value: Tensor) -> str:
    """The first 16 hex digits of the SHA-256 of a tensor's bytes."""
    flat = value.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(flat.numpy().data).hexdigest()[:16]


def _count(names: list[str]) -> str:
    return "one tensor is" if len(names) == 1 else f"{len(names)} tensors are"
