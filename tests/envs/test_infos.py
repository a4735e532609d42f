"""The same names in every info, with values of the same kinds."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import EvenUser

from llmrec_env.envs.common.infos import NumericInfo, VectorNumericInfo, row_infos

pytestmark = pytest.mark.core


def kinds(info: dict[str, Any]) -> dict[str, Any]:
    """The types of an info's values, of nested ones too."""
    return {k: kinds(v) if isinstance(v, dict) else type(v) for k, v in info.items()}


def test_reset_and_step_have_the_same_names_and_types(even_user: EvenUser) -> None:
    env = gym.make("LLMRec/NextItem-v1", simulator=even_user)
    _, begun = env.reset(seed=0)
    *_, stepped = env.step(8)
    assert kinds(begun) == kinds(stepped)
    assert (begun["item_id"], begun["title"], begun["accepted"]) == ("", "", False)
    assert begun["rewards"] == {"shown": 0.0, "accept": 0.0, "chance": 0.0}


def test_numbers_alone_of_a_vector_environment(even_user: EvenUser) -> None:
    made: Any = gym.make_vec("LLMRec/NextItem-v1", 2, simulator=even_user, autoreset="same_step")
    envs = VectorNumericInfo(made)
    assert envs.autoreset_mode == made.autoreset_mode
    names = {"accepted", "replaced", "rewards_shown", "rewards_accept", "rewards_chance"}
    masks = {f"_{name}" for name in names}
    infos = [envs.reset(seed=0)[1]]
    while "final_info" not in infos[-1]:
        infos.append(envs.step(np.array([8, 9]))[4])
        assert all(infos[-1][name].shape == (2,) for name in names)
    final = {"final_obs", "_final_obs", "final_info", "_final_info"}
    assert infos[0].keys() == names | masks
    assert infos[-1].keys() == names | masks | final
    assert infos[-1]["final_info"].keys() == names | masks


@pytest.mark.parametrize("autoreset", ["next_step", "same_step", "disabled"])
def test_rows_of_many_have_them_too(even_user: EvenUser, autoreset: str) -> None:
    envs = gym.make_vec(
        "LLMRec/NextItem-v1", 2, simulator=even_user, patience=1, autoreset=autoreset
    )
    told = [envs.reset(seed=0, options={"user_id": ["ann", "bob"]})[1]]
    told.append(envs.step(np.array([8, 11]))[4])  # bob leaves
    if autoreset == "disabled":
        told.append(envs.reset(options={"reset_mask": np.array([False, True])})[1])
    told.append(envs.step(np.array([10, 6]))[4])
    rows = [row for infos in told for row in row_infos(infos, 2) if row]
    seen = {str(kinds({k: v for k, v in row.items() if "final" not in k})) for row in rows}
    assert len(seen) == 1
    last = row_infos(told[1], 2)[1]
    assert last["item_id"] == ("" if autoreset == "same_step" else "i11")


def test_the_shops_infos_have_the_same_names() -> None:
    pytest.importorskip("bm25s")  # of the extra "shop"
    env = gym.make("LLMRec/Shop-v0", catalogue=30)
    _, begun = env.reset(seed=0)
    *_, stepped = env.step("search[red]")
    assert kinds(begun) == kinds(stepped)
    assert begun["rewards"] == stepped["rewards"] == {}
    assert begun["instruction"] == stepped["instruction"]


def test_numbers_alone_for_libraries_that_store_infos(even_user: EvenUser) -> None:
    env = NumericInfo(gym.make("LLMRec/NextItem-v1", simulator=even_user))
    infos = [env.reset(seed=0)[1], env.step(8)[4]]
    names = {
        "action_mask",
        "accepted",
        "replaced",
        "rewards_shown",
        "rewards_accept",
        "rewards_chance",
    }
    for info in infos:
        assert info.keys() == names
    assert infos[1]["rewards_shown"] == pytest.approx(0.08)
    shapes = [{k: (v.shape, v.dtype) for k, v in info.items()} for info in infos]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("autoreset", ["next_step", "same_step", "disabled"])
def test_the_mode_of_auto_reset_is_an_attribute(even_user: EvenUser, autoreset: str) -> None:
    envs: Any = gym.make_vec("LLMRec/NextItem-v1", 2, simulator=even_user, autoreset=autoreset)
    mode = envs.unwrapped.autoreset_mode
    if hasattr(gym.vector, "AutoresetMode"):
        assert mode == gym.vector.AutoresetMode[autoreset.upper()]
    else:
        assert mode is None
