"""A chat model shops in loops of texts: one shopper, or many in groups with the same goal.

Training loops of both kinds do the same and learn from it: GEM, ROLL, SkyRL and RAGEN take one
shopper (`--way one`), verl-agent and its forks N rows at once (`--way many`). Any endpoint with
OpenAI's interface answers. Needs the extras "openai" and "shop".

    python examples/text_loops.py --base-url http://localhost:8000/v1 --model my-model --way many

OPENAI_API_KEY is sent along where it is set.
"""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from openai import OpenAI, OpenAIError

from llmrec_env.common.help import HelpFormatter
from llmrec_env.envs.language_agents import TextLoop
from llmrec_env.envs.language_agents.verl_agent import ShopManager


def ask(client, args, messages):
    """What the model answers to a chat."""
    try:
        answer = client.chat.completions.create(
            model=args.model,
            messages=messages,
            max_tokens=args.max_tokens,
            temperature=args.temperature,
        )
    except OpenAIError as error:
        raise SystemExit(f"{args.base_url or 'the endpoint'} does not answer: {error}") from None
    return answer.choices[0].message.content or ""


def one(client, args):
    """Episodes of one shopper, each a chat of pages and answers."""
    shop = TextLoop(catalogue=args.catalogue, split=args.split)
    for seed in range(args.episodes):
        page, _ = shop.reset(seed=seed)
        chat = [{"role": "system", "content": shop.manual}, {"role": "user", "content": page}]
        done = False
        while not done:
            answer = ask(client, args, chat)
            page, reward, terminated, truncated, info = shop.step(answer)
            chat += [{"role": "assistant", "content": answer}, {"role": "user", "content": page}]
            done = terminated or truncated
        yield reward, info["success"]


def many(client, args):
    """Episodes of N rows; each step is a prompt of its own, and all are asked at once."""
    shop = ShopManager(args.episodes, args.group, catalogue=args.catalogue, split=args.split)
    seen, _ = shop.reset({"seed": 0})
    dones = np.zeros(args.episodes, dtype=bool)
    infos, steps = [], []
    with ThreadPoolExecutor(args.episodes) as pool:
        while not dones.all():
            steps.append([{"active_masks": not done} for done in dones])
            chats = [[{"role": "user", "content": text}] for text in seen["text"]]
            wanted = [chat for chat, done in zip(chats, dones, strict=True) if not done]
            answers = pool.map(partial(ask, client, args), wanted)
            said = ["" if done else next(answers) for done in dones]
            seen, _, dones, now = shop.step(said)
            infos.append(now)
    rows = {
        "total_infos": list(zip(*infos, strict=True)),
        "total_batch_list": list(zip(*steps, strict=True)),
    }
    ends = shop.success_evaluator(**rows)
    yield from zip(ends["task_score"].tolist(), ends["success_rate"].tolist(), strict=True)


def main(args):
    """Shop, and say what it earned."""
    client = OpenAI(base_url=args.base_url, api_key=os.environ.get("OPENAI_API_KEY") or "none")
    played = []
    for reward, success in {"one": one, "many": many}[args.way](client, args):
        played.append((reward, success))
        print(f"reward {reward:.2f}  {'success' if success else ''}")
    score, success = np.mean(played, axis=0)
    print(f"score {100 * score:.1f}  success {success:.0%}  over {len(played)} episodes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--base-url", help="such as http://localhost:8000/v1; OpenAI's if absent")
    parser.add_argument("--model", required=True, help="the name by which the endpoint knows it")
    parser.add_argument(
        "--way",
        choices=["one", "many"],
        default="one",
        help="one shopper at a time, or many at once",
    )
    parser.add_argument("--episodes", type=int, default=8, help="episodes to play")
    parser.add_argument("--group", type=int, default=4, help="rows with the same goal (many)")
    parser.add_argument("--catalogue", help="folder with the public WebShop files")
    parser.add_argument("--split", default="train", help="train, validation, test or all")
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        help="of the model's answers; 0 takes the likeliest",
    )
    parser.add_argument("--max-tokens", type=int, default=300, help="of an answer")
    main(parser.parse_args())
