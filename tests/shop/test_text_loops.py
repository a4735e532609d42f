"""Loops of texts as GEM and verl-agent take them, with a scripted model behind a real server."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from chat_server import ChatServer, Script
from scripted_answers import first_hit

from llmrec_env.envs.language_agents import TextLoop, TextLoops
from llmrec_env.envs.language_agents.verl_agent import ShopManager
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue

Serve = Callable[[Script], ChatServer]


@pytest.mark.parametrize("way", ["one", "many"])
def test_a_scripted_model_earns_the_same_in_loops_of_both_kinds(
    way: str, run_example: Callable[..., str], serve: Serve
) -> None:
    pytest.importorskip("openai")
    server = serve(first_hit)
    printed = run_example(server, "text_loops.py", "--way", way, "--episodes", "6", "--group", "3")
    rewards = [float(r) for r in re.findall(r"^reward (\S+)", printed, re.MULTILINE)]
    assert len(rewards) == 6
    assert len(server.asked) == 6 * 3
    if way == "many":
        assert rewards[0] == rewards[1] == rewards[2]
        assert rewards[3] == rewards[4] == rewards[5]
    score = float(re.findall(r"^score (\S+) ", printed, re.MULTILINE)[0])
    assert 0 < score == pytest.approx(100 * np.mean(rewards), abs=0.5)


def test_a_server_that_knows_no_such_model_is_one_line(
    run_example: Callable[..., str], serve: Serve
) -> None:
    pytest.importorskip("openai")
    server = serve(lambda messages: (404, "no such model"))
    with pytest.raises(SystemExit, match="does not answer: "):
        run_example(server, "text_loops.py", "--episodes", "1")


def test_a_manager_has_the_names_that_verl_agent_reads(small_catalogue: ProductCatalogue) -> None:
    shop = ShopManager(4, group=2, history=1, catalogue=small_catalogue, max_steps=3)
    loops = TextLoops(4, group=2, catalogue=small_catalogue, max_steps=3)
    seen, infos = shop.reset({"seed": 5})
    pages, same = loops.reset(seed=5)
    assert seen["anchor"] == pages
    assert seen["image"] is None
    assert seen["text"][0] == f"{loops.manual}\n\nYou see:\n{pages[0]}"
    assert not any(info["won"] for info in infos)
    answers = [f"search[{info['instruction']}]" for info in same]
    seen, *_ = shop.step(["nothing", *answers[1:]])
    assert seen["anchor"][0] == pages[0] != seen["anchor"][1]
    assert "You see:\nYour last answer had no action" in seen["text"][0]
    *_, same = loops.step(answers)
    opening = [valid for valid in same[3]["valid_actions"] if valid.startswith("click[g")]
    seen, *_ = shop.step(["x", "x", "x", opening[0]])
    assert seen["text"][3].count("You saw:") == 1
    assert f"You did: {opening[0]}" not in seen["text"][2]
    assert f"You did: {opening[0]}\n\nYou see:" in seen["text"][3]
    _, rewards, dones, infos = shop.step(["x", "x", "x", "click[buy now]"])
    assert dones.all()
    assert [info["is_action_valid"] for info in infos] == [False, False, False, True]
    steps = [[{"active_masks": True}]] * 4
    ends = shop.success_evaluator(total_infos=[[info] for info in infos], total_batch_list=steps)
    assert ends["task_score"].tolist() == rewards.tolist()
    assert ends["success_rate"][3] == float(rewards[3] == 1)


def test_a_loop_is_an_environment_of_gem(small_catalogue: ProductCatalogue) -> None:
    """``gem.make`` calls the entry point with keywords and sets two attributes."""
    loop = TextLoop(seed=3, catalogue=small_catalogue)
    loop.env_id, loop.entry_point = "llmrec:Shop-v0", TextLoop  # type: ignore[attr-defined]
    page, info = loop.reset()
    assert page == TextLoop(catalogue=small_catalogue).reset(seed=3)[0]
    action = loop.sample_random_action()
    assert action in [f"<action>{valid}</action>" for valid in info["valid_actions"]]
    *_, info = loop.step(action)
    assert info["action_is_valid"]
    other = loop.spawn(seed=3)
    assert other.reset()[0] == page
    assert other is not loop
