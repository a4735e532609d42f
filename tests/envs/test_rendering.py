"""What a person sees of an episode."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from even_user import N_ITEMS, SEQUENCES, EvenUser, make_log

from llmrec_env.envs.common.rendering import clean

pytestmark = pytest.mark.core
ANN = {"user_id": "ann"}


def test_ansi_tells_history_item_answer_and_patience(even_user: EvenUser) -> None:
    env = gym.make("LLMRec/NextItem-v1", simulator=even_user, render_mode="ansi", patience=3)
    env.reset(options=ANN)
    assert env.render() == "user ann · step 0 of 50 · patience ●●●\n  took    i0 | i1 | i2"
    env.step(8)
    env.step(9)
    assert env.render().splitlines() == [
        "user ann · step 2 of 50 · patience ●●○",
        "  took    i0 | i1 | i2 | i8",
        "  shown   i9",
        "  answer  skipped it · reward 0.09",
    ]


def test_human_prints_by_itself_at_every_step(
    even_user: EvenUser, capsys: pytest.CaptureFixture[str]
) -> None:
    env = gym.make("LLMRec/NextItem-v1", simulator=even_user, render_mode="human")
    env.reset(options=ANN)
    env.step(8)
    printed = capsys.readouterr().out
    assert printed.count("user ann") == 2
    assert "took it · reward 0.08" in printed
    assert env.render() is None


def test_the_batched_environment_draws_one_text_a_row(
    even_user: EvenUser, capsys: pytest.CaptureFixture[str]
) -> None:
    kwargs = {"num_envs": 2, "simulator": even_user, "patience": 1}
    envs = gym.make_vec("LLMRec/NextItem-v1", render_mode="ansi", autoreset="same_step", **kwargs)
    envs.reset(options={"user_id": ["ann", "bob"]})
    envs.step(np.array([7, 8]))
    opened, going = envs.render()
    assert "step 0" in opened
    assert "shown" not in opened
    assert "took it · reward 0.08" in going
    human = gym.make_vec("LLMRec/NextItem-v1", render_mode="human", **kwargs)
    human.reset()
    assert capsys.readouterr().out.count("step 0") == 2


def test_without_a_mode_render_says_how_to_get_one(even_user: EvenUser) -> None:
    env = gym.make("LLMRec/NextItem-v1", simulator=even_user).unwrapped
    env.reset()
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.render() is None


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred\x1b[0m kettle", "red kettle"),
        ("\x1b]0;your terminal\x07lamp", "lamp"),
        ("two\nlines\tand\r a \x08bell\x07", "two lines and a bell"),
        ("right\u202eleft\u200b", "rightleft"),
        ("[bold]Toy[/bold] [VHS]", "[bold]Toy[/bold] [VHS]"),
        ("x" * 60, "x" * 39 + "…"),
    ],
)
def test_titles_are_harmless_in_a_terminal(text: str, seen: str) -> None:
    assert clean(text) == seen


def test_no_title_reaches_the_terminal_unclean() -> None:
    titles = [f"\x1b[2J{item}\nuser eve · step 9" for item in range(N_ITEMS)]
    user = EvenUser(make_log(SEQUENCES, titles=titles))
    env = gym.make("LLMRec/NextItem-v1", simulator=user, render_mode="ansi")
    env.reset(options=ANN)
    env.step(8)
    assert "\x1b" not in env.render()
    assert len(env.render().splitlines()) == 4


def test_a_large_patience_is_a_number(even_user: EvenUser) -> None:
    env = gym.make("LLMRec/NextItem-v1", simulator=even_user, patience=10**9, render_mode="ansi")
    env.reset(seed=0)
    assert "patience 1000000000 of 1000000000" in env.render()
