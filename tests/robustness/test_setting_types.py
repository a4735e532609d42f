"""Settings of another type than theirs are refused by name, wherever they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents import LEA, Recommender
from llmrec_env.common.errors import LLMRecError
from llmrec_env.data.windows import Window
from llmrec_env.language.fitting import FitConfig
from llmrec_env.language.item_tokens import ItemTokenConfig
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.lm.small_model import SmallModelConfig
from llmrec_env.language.model import LanguageEnvironmentConfig

pytestmark = pytest.mark.core
WRONG: list[tuple[Callable[..., Any], str, Any]] = [
    (LEA, "epochs", "3"),
    (LEA, "epochs", 2.5),
    (LEA, "patience", None),
    (LEA, "learning_rate", "fast"),
    (LEA, "learning_rate", float("nan")),
    (LEA, "gamma", "0.9"),
    (LEA, "state", "yes"),
    (LEA, "seed", True),
    (LEA, "device", 0),
    (Recommender, "tied", 1),
    (Recommender, "backbone", 3),
    (Recommender, "objective", None),
    (Recommender, "precision", 16),
    (LearningConfig, "epochs", "3"),
    (LearningConfig, "share", "all"),
    (LanguageEnvironmentConfig, "lora_rank", "8"),
    (LanguageEnvironmentConfig, "window", 64),
    (FitConfig, "items", 4),
    (FitConfig, "learning", {"epochs": 3}),
    (SmallModelConfig, "layers", "2"),
    (ItemTokenConfig, "steps", 1.5),
    (Window, "size", "64"),
]


@pytest.mark.parametrize(("config", "name", "value"), WRONG)
def test_a_setting_of_another_type_is_refused_by_name(
    config: Callable[..., Any], name: str, value: Any
) -> None:
    with pytest.raises(LLMRecError, match=f"{name} must be") as refused:
        config(**{name: value})
    assert "\n" not in str(refused.value)


def test_numbers_of_numpy_are_numbers() -> None:
    LEA(epochs=np.int64(3), learning_rate=np.float32(0.1), gamma=np.float64(0.5))
    LearningConfig(share=1, epochs=np.int32(2))
