"""A saved model of stable-baselines3 is known for what it is, and asked for its scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")
pytest.importorskip("sb3_contrib")
from sb3_contrib import TRPO, MaskablePPO, RecurrentPPO
from stable_baselines3 import A2C, DQN, PPO, SAC

from agents.sb3 import MaskableItemPolicy
from llmrec_env import make_vec_env
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.policies import SB3Policy
from llmrec_env.evaluation.sb3_models import load_sb3
from llmrec_env.users.true_taste import TrueTasteUser

USERS = TrueTasteUser(generate_world(seed=1, n_items=20, n_users=12))


def made(
    kind: Any, policy: Any = "MlpPolicy", id: str = "LLMRec/NextItem-v1", **kwargs: Any
) -> Any:
    return kind(policy, make_vec_env(2, id=id, simulator=USERS), seed=0, **kwargs)


@pytest.mark.parametrize("kind", [PPO, A2C, DQN, TRPO, MaskablePPO])
def test_a_model_is_loaded_as_its_own_kind(kind: Any, tmp_path: Path) -> None:
    model = made(kind)
    model.save(tmp_path / "model.zip")
    policy = load_sb3(tmp_path / "model.zip")
    assert type(policy.model) is kind
    observation = model.get_env().reset()
    expected = SB3Policy(model).action_scores(observation)
    np.testing.assert_array_equal(policy.action_scores(observation), expected)


def test_policies_of_this_package_are_known_too(tmp_path: Path) -> None:
    vectors = {"item_vectors": USERS.item_vectors}
    made(MaskablePPO, MaskableItemPolicy, policy_kwargs=vectors).save(tmp_path / "model.zip")
    assert load_sb3(tmp_path / "model.zip").name == "MaskablePPO"


def test_what_scores_no_items_is_refused(tmp_path: Path) -> None:
    made(SAC, id="LLMRec/ItemEmbedding-v0").save(tmp_path / "points.zip")
    with pytest.raises(DataError, match="does not score items"):
        load_sb3(tmp_path / "points.zip")
    made(RecurrentPPO, "MlpLstmPolicy").save(tmp_path / "recurrent.zip")
    with pytest.raises(LLMRecError, match="by the observation alone"):
        load_sb3(tmp_path / "recurrent.zip")
    (tmp_path / "other.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="no saved model of stable-baselines3"):
        load_sb3(tmp_path / "other.zip")
