"""Reads item texts with a sentence encoder that sentence-transformers loads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.extras import require
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.item_texts import find_tensors, keep_tensors, texts_folder
from llmrec_env.language.lm.pretrained import quiet_transformers
from llmrec_env.language.lm.source import check_source, loading

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BLOCK = 1024
"""Sentences whose features are kept together."""


def load_encoder(
    encoder: str | os.PathLike[str], device: str | torch.device = "cpu"
) -> SentenceTransformer:
    """A sentence encoder, ready to read.

    Args:
        encoder: hub name or folder, in the layout of sentence-transformers.
        device: where it reads.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        LLMRecError: there is no such encoder, or it is not stored as safetensors.
    """
    library = require("sentence_transformers", "sentence")
    name = os.fspath(encoder)
    with loading(name, "sentence encoder"), quiet_transformers():
        model: SentenceTransformer = library.SentenceTransformer(
            name,
            device=str(device),
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
            **check_source(name),
        )
    _read_special_tokens_as_text(model.tokenizer)
    return model


def sentence_outputs(catalogue: Catalogue, model: SentenceTransformer) -> Tensor:
    """What an encoder makes of each item's sentence, float32 (n_items, E), kept batch by batch.

    Catalogues that were joined are read one by one, so that what was read of one of them is found.
    """
    if len(parts := catalogue.parts) > 1:
        read = torch.cat([sentence_outputs(catalogue.read_as_here(own), model) for own in parts])
        return read[torch.from_numpy(np.argsort(np.concatenate(parts)))]
    sentences, rows = catalogue.sentences, []
    folder = texts_folder(catalogue, model)
    with progress_bar("read item texts", len(sentences)) as advance:
        for first in range(0, len(sentences), BLOCK):
            block, path = sentences[first : first + BLOCK], folder / f"{first:08d}"
            found = find_tensors(path, "sentences")
            if found is None:
                read = model.encode(block, convert_to_tensor=True, show_progress_bar=False)
                found = {"outputs": read.float().cpu()}
                keep_tensors(path, "sentences", found)
            rows.append(found["outputs"])
            advance(len(block), "")
    return torch.cat(rows)


def _read_special_tokens_as_text(tokenizer: Any) -> None:
    """Where a text spells one out, such as ``[SEP]``; what the encoder itself adds stays."""
    for name in ("split_special_tokens", "encode_special_tokens"):  # transformers', tokenizers'
        if hasattr(tokenizer, name):
            setattr(tokenizer, name, True)
