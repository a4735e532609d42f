"""Checks of the device and dtype settings with which a language model computes."""

from __future__ import annotations

import torch

from llmrec_env.common import processes
from llmrec_env.common.errors import SettingError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def check_device(device: str | torch.device) -> torch.device:
    """The device of this process, which must be there.

    Raises:
        SettingError: torch does not know it, this machine does not have it, or several processes
            would have to share it.
    """
    try:
        return torch.empty(0, device=processes.own_device(device)).device
    except (AssertionError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SettingError(
            f"device {str(device)!r} cannot be used here: {reason}; 'cpu' always can, and 'cuda' "
            "where there is a GPU and a torch built for it"
        ) from None


def check_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """The dtype by name; "auto" is bfloat16 on a GPU that computes in it, else float32.

    Raises:
        SettingError: there is no such name.
    """
    if dtype == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    for name, known in DTYPES.items():
        if dtype in (name, known):
            return known
    raise SettingError(f"dtype must be one of auto, {', '.join(DTYPES)}; got {dtype!r}")


def dtype_name(dtype: str, device: str) -> str:
    """The name of a dtype for a device that another machine may have: "auto" is bfloat16 on GPUs.

    Raises:
        SettingError: there is no such name.
    """
    if dtype == "auto":
        return "bfloat16" if device.startswith("cuda") else "float32"
    return str(check_dtype(dtype, torch.device("cpu"))).removeprefix("torch.")
