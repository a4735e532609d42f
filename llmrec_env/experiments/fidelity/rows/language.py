"""The LEs of a table of fidelity: which settings each row's differ in."""

from __future__ import annotations

from llmrec_env.experiments.fidelity.rows.entry import Means
from llmrec_env.experiments.fidelity.rows.simulators import LearnedLE
from llmrec_env.language.fitting import FitConfig
from llmrec_env.language.model import LanguageEnvironmentConfig


def learned_le(
    means: Means,
    *,
    texts: bool = True,
    ids: bool = True,
    language_model: bool = False,
    feedback: bool = True,
    encoder: bool = False,
    base: bool = False,
) -> LearnedLE:
    """An LE to be learned.

    Args:
        means: what rows are given.
        texts: whether items are known by their texts.
        ids: whether each item also learns a vector of its own: what users share.
        language_model: whether the LM reads histories and actions, and not the texts alone.
        feedback: whether it reads how items were liked, where the log tells that.
        encoder: whether the sentence encoder given reads the texts.
        base: whether the language model given reads the texts.
    """
    config = FitConfig(
        model=LanguageEnvironmentConfig(item_ids=ids),
        items=("text" if language_model else "pooled") if texts else "shared",
        item_encoder=means.item_encoder if encoder else None,
        language_model=language_model,
        feedback="auto" if feedback else "none",
    )
    return LearnedLE(config, means.base_model if base else None, means.budget)
