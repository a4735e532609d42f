"""The model card of a simulator: README.md as the Hugging Face Hub reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from llmrec_env.common.saved_folder import BY_CARD
from llmrec_env.evaluation.fidelity import FidelityCard
from llmrec_env.evaluation.fidelity.card import SIMULATOR
from llmrec_env.evaluation.fidelity.wording import of_taking
from llmrec_env.evaluation.intervals import Interval

TAGS = ("recommendation", "user-simulation", "reinforcement-learning", "gymnasium")
USE = "Simulated users of a recommender system"
ANSWER = ". They answer what is shown to them with a liking in [0, 1] and a chance of taking it."
MADE_OF = {
    True: ", made of a language model that learned from a log",
    False: ", made without a language model: a mean of the features of the items in a history, and "
    "a logistic reward, learned from a log",
    None: "",
}
"""By whether an LE asks a language model; None for users who are no LE."""
CODE = """```python
import gymnasium as gym
import llmrec_env

env = gym.make("LLMRec/NextItem-v1", simulator="path/to/{name}")
```"""
METRICS = {"accuracy": "accuracy", "AUC": "roc_auc", "Spearman": "spearmanr", "kept": "accuracy"}
"""Names of metrics on the Hub."""


def model_card(
    card: FidelityCard, name: str, data: str, body: str, language: Sequence[str] = ()
) -> str:
    """The text of README.md: metadata in YAML, what the model is, and the card.

    Args:
        card: what is known of it.
        name: of the model.
        data: of the log that judged it.
        body: the report of the card as Markdown.
        language: codes of the languages of the items' texts.
    """
    found = ModelCardData(
        language=list(language) or None,
        library_name="llmrec-env",
        tags=list(TAGS),
        datasets=[_slug(data)],
        metrics=["accuracy", "roc_auc", "ece"],
        model_name=name,
        eval_results=_results(card, data),
    )
    metadata = f"---\n{found.to_yaml()}\n---"
    made_of = card.about.get("language_model")
    code = [] if made_of is None else [CODE.format(name=name)]  # no folder holds who is no LE
    return "\n\n".join(
        [metadata, BY_CARD, f"# {name}", USE + MADE_OF[made_of] + ANSWER, *code, body]
    )


def _results(card: FidelityCard, data: str) -> list[EvalResult]:
    rows: dict[str, tuple[str, Interval]] = {"ECE of acceptance": ("ece", card.ece)}
    for measures in (card.acceptance, card.liking, card.truth):
        for metric, value in measures.get(SIMULATOR, {}).items():
            kind = METRICS[metric.partition(",")[0]]
            what = "with ratings" if measures is card.liking else "with the truth"
            label = of_taking(metric) if measures is card.acceptance else f"{metric} {what}"
            rows[label] = (kind, value)
    for metric, value in card.counterfactual.get(SIMULATOR, {}).items():
        kind = METRICS[metric.partition(",")[0]]
        rows[f"{of_taking(metric)} on another recommender's log"] = (kind, value)
    if card.policies is not None:
        rows["Kendall tau of policies"] = ("kendalltau", card.policies.tau)
        rows["Kendall tau of the better policies"] = ("kendalltau", card.policies.tau_better)
        rows["regret of choosing the best policy"] = ("regret", card.policies.regret)
    return [_result(data, label, *row) for label, row in rows.items()]


def _result(data: str, label: str, kind: str, value: Interval) -> EvalResult:
    known: dict[str, Any] = {
        "task_type": "tabular-classification",
        "task_name": "Predicting held-out users",
        "dataset_type": _slug(data),
        "dataset_name": data,
        "metric_type": kind,
        "metric_name": label,
        "metric_value": round(value.mean, 4),
    }
    return EvalResult(**known)


def _slug(name: str) -> str:
    """A name as the Hub takes it: no path, letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name).name).strip("-") or "log"
