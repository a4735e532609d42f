"""Rollouts of verifiers: a chat model behind a server shops, or recommends, and is scored.

    python examples/other_libraries/make_venv.py verifiers
    .venvs/verifiers/bin/python examples/other_libraries/verifiers_rollouts.py \
        --base-url http://localhost:8000/v1 --model my-model

Any endpoint with OpenAI's interface answers, such as that of `examples/serve_model.py`.
"""

import argparse
import os

import numpy as np
import verifiers as vf
from openai import AsyncOpenAI
from verifiers.clients import OpenAIChatCompletionsClient

from llmrec_env.common.help import HelpFormatter

ENVIRONMENTS = "llmrec_env.envs.language_agents.verifiers"


def main(args):
    """Roll out, and say what was earned."""
    if args.environment == "shop":
        settings = {"catalogue": args.catalogue, "max_steps": args.turns}
    else:
        settings = {"users": args.examples, "eval_users": args.examples, "max_steps": args.turns}
    environment = vf.load_environment(f"{ENVIRONMENTS}.{args.environment}", **settings)
    key = os.environ.get("OPENAI_API_KEY") or "none"  # local servers ask for none
    results = environment.evaluate_sync(
        client=OpenAIChatCompletionsClient(AsyncOpenAI(base_url=args.base_url, api_key=key)),
        model=args.model,
        sampling_args={"max_tokens": args.max_tokens, "temperature": args.temperature},
        num_examples=args.examples,
        rollouts_per_example=args.rollouts,
        max_concurrent=args.concurrent,
    )
    for output in results["outputs"]:
        told = "  ".join(f"{name} {value:.2f}" for name, value in output["metrics"].items())
        print(f"reward {output['reward']:.2f}  {told}")
    rewards = [output["reward"] for output in results["outputs"]]
    print(f"mean reward {np.mean(rewards):.3f} over {len(rewards)} rollouts")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument(
        "--environment", choices=["shop", "recommend"], default="shop", help="which environment"
    )
    parser.add_argument("--base-url", help="such as http://localhost:8000/v1; OpenAI's if absent")
    parser.add_argument("--model", required=True, help="the name by which the endpoint knows it")
    parser.add_argument("--examples", type=int, default=8, help="goals, or users")
    parser.add_argument("--rollouts", type=int, default=2, help="of each")
    parser.add_argument("--turns", type=int, default=15, help="answers of a rollout")
    parser.add_argument("--catalogue", help="folder with the public WebShop files")
    parser.add_argument("--concurrent", type=int, default=8, help="rollouts at once")
    parser.add_argument("--max-tokens", type=int, default=300, help="of an answer")
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        help="of the model's answers; 0 takes the likeliest",
    )
    main(parser.parse_args())
