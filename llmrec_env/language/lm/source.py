"""The door for names of pretrained models: a folder with whole safetensors, or a hub that answers.

Libraries wait and retry for minutes where there is no network, and say of a damaged file whatever
comes first. Here a name is looked at before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.files import is_missing_folder
from llmrec_env.common.tensor_files import check_whole, refuse_pointer

SECONDS = 5.0
"""In which a hub has to answer."""
EXPECTED = (
    "name a model of the Hugging Face hub, a folder with config, safetensors and tokenizer, or a "
    ".gguf file"
)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@contextmanager
def loading(name: str, what: str) -> Iterator[None]:
    """Turn whatever libraries say of a model that they cannot load into one line.

    Args:
        name: the model, hub name or folder.
        what: what it should be, "causal language model" or so.

    Raises:
        LLMRecError: the block raised any error.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # they raise what they like
        reason = (str(error).strip() or repr(error)).splitlines()[0].strip()
        if not isinstance(error, LLMRecError | OSError | ValueError | ImportError):
            reason = f"{type(error).__name__} {reason}"  # a bare name of a key, often
        hint = "" if isinstance(error, LLMRecError) else f"; {EXPECTED}"
        raise LLMRecError(f"no {what} can be loaded from {name!r}: {reason}{hint}") from error


def check_source(name: str) -> dict[str, Any]:
    """Look at a name before a library does; keywords for its ``from_pretrained``.

    Raises:
        LLMRecError: there is no such folder, it holds pointers of Git LFS, pickles alone or an
            adapter, or the name is a hub's, which does not answer, and no copy of it is here.
    """
    if Path(name).is_dir():
        _check_folder(Path(name))
        return {}
    if is_missing_folder(name):
        raise LLMRecError("there is no such folder")
    return {"local_files_only": True} if _no_hub(name) else {}


def _check_folder(folder: Path) -> None:
    if (folder / "adapter_config.json").exists():
        raise LLMRecError(
            "the folder holds an adapter (adapter_config.json), which would be lost; merge it into "
            "its base model first (peft's merge_and_unload) and save that to a folder of its own"
        )
    weights = list(folder.rglob("*.safetensors"))
    if not weights and any(any(folder.glob(pattern)) for pattern in PICKLES):
        raise LLMRecError(
            "its weights are pickled, which could run any code; save them again as safetensors "
            "(save_pretrained does)"
        )
    for path in weights:
        check_whole(path)
    for path in folder.glob("*.json"):
        refuse_pointer(path)


def _no_hub(name: str) -> bool:
    """Whether the hub does not answer, and the model is here already.

    Raises:
        LLMRecError: it does not answer, and no copy is here.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=SECONDS)
    except (HfHubHTTPError, HFValidationError):  # it answered, or never will: the library says what
        return False
    except Exception as error:  # of whichever http library the hub's client uses
        kept = [name] if "/" in name else [name, f"sentence-transformers/{name}"]
        if any(isinstance(try_to_load_from_cache(one, "config.json"), str) for one in kept):
            return True
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise LLMRecError(
            f"there is no such folder, no copy of it is kept here, and the Hugging Face hub does "
            f"not answer ({reason}); check the name and the network, or name a folder"
        ) from error
    return False
