"""A chat model shops: a ReAct loop (Thought, Action) against any OpenAI-compatible endpoint.

The model reads the page and what it may do, thinks, and names one action; an action that is not
valid is reported back to it. You see a line a goal and, at the end, score and success. Needs the
extra "openai".

    python examples/shop_react.py --base-url http://localhost:8000/v1 --model my-model --goals 20

OPENAI_API_KEY is sent along where it is set.
"""

import argparse
import os
import re
from typing import Any

import gymnasium as gym
import numpy as np
from openai import OpenAI, OpenAIError

import llmrec_env
from llmrec_env.common.help import HelpFormatter
from llmrec_env.envs.common.rendering import clean, show
from llmrec_env.evaluation.intervals import interval

gym.register_envs(llmrec_env)

PROMPT = """\
You are shopping in a web shop of text pages. Buy the product that the instruction asks for, with \
its options chosen, within its price. An episode ends when you buy or after {limit} actions.

Answer in this form, with exactly one action:
Thought: what you see and what to do next
Action: search[words] or click[value]

search[words] works where it is among the valid actions, with any words of your own. click[value] \
takes a value just as it stands among the valid actions. Choose every option that the instruction \
asks for, one click each, before click[buy now]."""
PAGE = 6000
"""Characters of a page that are sent at most."""
CHOICES = 4000
"""Characters of the list of valid actions that are sent at most."""


def main(args: argparse.Namespace) -> None:
    """Shop for some goals, and say what they earned."""
    client = OpenAI(
        base_url=args.base_url,
        api_key=os.environ.get("OPENAI_API_KEY") or "none",  # local servers ask for none
        timeout=args.timeout,
        max_retries=args.retries,
    )
    env = gym.make(
        "LLMRec/Shop-v0", catalogue=args.catalogue, split=args.split, goals_per_product=1
    )
    n = min(args.goals, len(env.unwrapped.goals))
    rewards, successes = [], []
    for goal in range(n):
        reward, success, steps = shop(env, goal, client, args)
        rewards.append(100.0 * reward)
        successes.append(100.0 * success)
        instruction = clean(env.unwrapped.goal.instruction, 70)
        show(f"reward {reward:.2f} {'✓' if success else '·'} {steps:2d} steps  {instruction}")
    for name, values in (("score", rewards), ("success", successes)):
        mean, low, high = interval(np.array(values))
        print(f"{name} {mean:.1f} [{low:.1f}, {high:.1f}] over {n} goals")


def shop(env: Any, goal: int, client: OpenAI, args: argparse.Namespace) -> tuple[float, bool, int]:
    """One episode; its reward, whether it was a success, and how many actions it took."""
    limit = env.spec.max_episode_steps
    system = {"role": "system", "content": PROMPT.format(limit=limit)}
    page, info = env.reset(seed=goal, options={"goal": goal})
    turns: list[dict[str, str]] = []
    problem, earned, steps, over = "", 0.0, 0, False
    while not over:
        turns.append({"role": "user", "content": problem + situation(page, info)})
        answer = ask(client, [system, *turns[-2 * args.history - 1 :]], args)
        turns.append({"role": "assistant", "content": answer})
        action = parse(answer)
        page, reward, terminated, truncated, info = env.step(action)
        if args.verbose:
            show(f"  {clean(answer, 300)}  →  {clean(action, 100) or 'no action'}")
        problem = complaint(action) if not info["action_is_valid"] else ""
        earned, steps, over = earned + reward, steps + 1, terminated or truncated
    return earned, info["success"], steps


def ask(client: OpenAI, messages: list[dict[str, str]], args: argparse.Namespace) -> str:
    """The model's answer; the client repeats what failed on the way."""
    try:
        completion = client.chat.completions.create(
            model=args.model,
            messages=messages,  # type: ignore[arg-type]
            temperature=args.temperature,
            max_tokens=args.max_tokens,
            stop=["\nObservation:"],  # it must not go on with pages of its own
        )
    except OpenAIError as error:
        raise SystemExit(f"{args.base_url or 'the endpoint'} does not answer: {error}") from None
    return (completion.choices[0].message.content if completion.choices else None) or ""


def situation(page: str, info: dict[str, Any]) -> str:
    """What the model reads at each step."""
    valid = ["search[any words]"] if info["can_search"] else list(info["valid_actions"])
    choices = "\n".join(valid)[:CHOICES]
    return f"Observation:\n{page[:PAGE]}\n\nValid actions:\n{choices}"


def complaint(action: str) -> str:
    """What the model reads about an action that is not valid."""
    if not action:
        return "Your answer had no action: end it with search[words] or click[value].\n\n"
    return f"{action[:200]} is not a valid action here; nothing happened.\n\n"


def parse(answer: str) -> str:
    """The last ``search[...]`` or ``click[...]`` of an answer, to its closing bracket; or ""."""
    starts = list(re.finditer(r"(?:search|click)\[", answer, re.IGNORECASE))
    if not starts:
        return ""
    line = answer[starts[-1].start() :].split("\n", 1)[0]
    depth = 0
    for place, letter in enumerate(line):
        depth += (letter == "[") - (letter == "]")
        if letter == "]" and depth == 0:
            return line[: place + 1]
    return ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--base-url", help="such as http://localhost:8000/v1; OpenAI's if absent")
    parser.add_argument("--model", required=True, help="the name by which the endpoint knows it")
    parser.add_argument("--goals", type=int, default=20, help="goals to shop for")
    parser.add_argument("--catalogue", help="folder with the public WebShop files")
    parser.add_argument("--split", default="test", help="train, validation, test or all")
    parser.add_argument("--history", type=int, default=3, help="earlier turns that are sent along")
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        help="of the model's answers; 0 takes the likeliest",
    )
    parser.add_argument("--max-tokens", type=int, default=300, help="of an answer")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for an answer")
    parser.add_argument("--retries", type=int, default=3, help="repeats of a failed call")
    parser.add_argument("--verbose", action="store_true", help="print every answer")
    main(parser.parse_args())
