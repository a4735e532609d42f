"""A chat model recommends: it calls tools, "search" and "recommend", and a simulated user judges.

Any endpoint with OpenAI's interface that knows tools will do. You see a line a user and, at the
end, the mean return, and what random items earn from the same users with the same luck. Needs the
extras "openai" and "shop".

    python examples/talking_recommender.py --base-url http://localhost:8000/v1 --model my-model

OPENAI_API_KEY is sent along where it is set.
"""

import argparse
import os
from typing import Any

import gymnasium as gym
import numpy as np
from openai import OpenAI, OpenAIError

import llmrec_env
from llmrec_env.common.help import HelpFormatter
from llmrec_env.envs.common.rendering import show
from llmrec_env.envs.wrappers import TextTools
from llmrec_env.evaluation.intervals import interval

gym.register_envs(llmrec_env)


def main(args: argparse.Namespace) -> None:
    """Recommend to some users, and say what that earned."""
    client = OpenAI(
        base_url=args.base_url,
        api_key=os.environ.get("OPENAI_API_KEY") or "none",  # local servers ask for none
        timeout=args.timeout,
        max_retries=args.retries,
    )
    env = TextTools(gym.make(args.id, max_episode_steps=args.steps), max_turns=args.turns)
    earned = {"model": [], "random": []}
    for seed in range(args.users):
        earned["model"].append(converse(env, seed, client, args))
        earned["random"].append(at_random(env, seed))
        show(f"user {seed}: {earned['model'][-1]:.2f}, random {earned['random'][-1]:.2f}")
    for name, returns in earned.items():
        mean, low, high = interval(np.array(returns))
        print(f"{name} {mean:.2f} [{low:.2f}, {high:.2f}] over {args.users} users")


def converse(env: TextTools, seed: int, client: OpenAI, args: argparse.Namespace) -> float:
    """One episode of the model; its return."""
    text, _ = env.reset(seed=seed)
    turns: list[dict[str, Any]] = []
    total, over = 0.0, False
    while not over:
        turns.append({"role": "user", "content": text})
        messages = [{"role": "system", "content": env.manual}, *turns[-2 * args.history - 1 :]]
        action = ask(client, messages, env, args)
        turns.append({"role": "assistant", "content": action})
        text, reward, terminated, truncated, _ = env.step(action)
        total, over = total + reward, terminated or truncated
    return total


def ask(client: OpenAI, messages: list[Any], env: TextTools, args: argparse.Namespace) -> str:
    """The model's call of a tool as JSON, or what it wrote instead."""
    try:
        completion = client.chat.completions.create(
            model=args.model, messages=messages, tools=env.tools(), temperature=args.temperature
        )
    except OpenAIError as error:
        raise SystemExit(f"{args.base_url or 'the endpoint'} does not answer: {error}") from None
    message = completion.choices[0].message
    if message.tool_calls:
        return message.tool_calls[0].function.model_dump_json()
    return message.content or ""


def at_random(env: TextTools, seed: int) -> float:
    """One episode of random unseen items; its return."""
    _, info = env.reset(seed=seed)
    ids, generator = env.unwrapped.simulator.catalogue.ids, np.random.default_rng(seed)
    total, over = 0.0, False
    while not over:
        item = generator.choice(np.flatnonzero(info["action_mask"]))
        _, reward, terminated, truncated, info = env.step(f"recommend[{ids[item]}]")
        total, over = total + reward, terminated or truncated
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--base-url", help="such as http://localhost:8000/v1; OpenAI's if absent")
    parser.add_argument("--model", required=True, help="the name by which the endpoint knows it")
    parser.add_argument("--id", default="LLMRec/NextItem-v1", help="the environment")
    parser.add_argument("--users", type=int, default=10, help="held-out users")
    parser.add_argument("--steps", type=int, default=20, help="items shown to a user at most")
    parser.add_argument("--turns", type=int, default=50, help="calls of tools for a user at most")
    parser.add_argument("--history", type=int, default=3, help="earlier turns that are sent along")
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        help="of the model's answers; 0 takes the likeliest",
    )
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for an answer")
    parser.add_argument("--retries", type=int, default=3, help="repeats of a failed call")
    main(parser.parse_args())
