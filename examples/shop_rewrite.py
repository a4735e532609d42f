"""A chat model words shopping instructions anew; what can be told from its texts is kept in a file.

Each text is asked about by a second prompt, which shows nothing but the text: every option and
attribute must be told from it, and none may stand in it word for word. Then the rules shop for the
new instructions, which shows how much of them copying solves. Needs the extra "openai".

    python examples/shop_rewrite.py --base-url http://localhost:8000/v1 --model my-model --goals 50
    llmrec shop evaluate --instructions runs/rewritten.json --agent rules

OPENAI_API_KEY is sent along where it is set.
"""

import argparse
import os

from openai import OpenAI, OpenAIError

from agents.shop.evaluation import evaluate_shopper
from agents.shop.rewriting import rewrite_instructions
from agents.shop.scripted import FirstHit, ScriptedBrowser
from llmrec_env.common.help import HelpFormatter
from llmrec_env.envs.shop import Shop


def main(args: argparse.Namespace) -> None:
    """Have goals rewritten, and say what rules get on them."""
    catalogue = int(args.catalogue) if args.catalogue.isdecimal() else args.catalogue
    settings = {
        "catalogue": catalogue,
        "split": args.split,
        "goals_per_product": 1,
        "goal_seed": args.goal_seed,
    }
    shop = Shop.of({**settings, "instructions": args.instructions})
    goals = shop.goals[: args.goals]
    model = Model(args)
    report = rewrite_instructions(
        goals,
        shop.inventory.catalogue,
        model.ask,
        args.out,
        of=args.instructions,
        about={"model": args.model, "goals": len(goals), "settings": {**settings}},
    )
    print(f"{report}\n{args.out}")
    if not report.kept:
        raise SystemExit("no text passed: name a larger model")
    for rule in (FirstHit(), ScriptedBrowser()):
        results = evaluate_shopper(rule, {**settings, "instructions": args.out})
        mean, low, high = results.success
        print(f"{type(rule).__name__} success {mean:.1f} [{low:.1f}, {high:.1f}]")


class Model:
    """A chat model that answers one prompt at a time."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._client = OpenAI(
            base_url=args.base_url,
            api_key=os.environ.get("OPENAI_API_KEY") or "none",  # local servers ask for none
            timeout=args.timeout,
        )

    def ask(self, prompt: str) -> str:
        """The model's answer."""
        try:
            completion = self._client.chat.completions.create(
                model=self._args.model,
                messages=[{"role": "user", "content": prompt}],
                temperature=self._args.temperature,
                max_tokens=self._args.max_tokens,
            )
        except OpenAIError as error:
            raise SystemExit(
                f"{self._args.base_url or 'the endpoint'} does not answer: {error}"
            ) from None
        return (completion.choices[0].message.content if completion.choices else None) or ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--base-url", help="of the server; OpenAI's if not given")
    parser.add_argument("--model", required=True, help="name by which the server knows its model")
    parser.add_argument("--out", default="runs/rewritten.json", help="where results are written")
    parser.add_argument("--catalogue", default="1000", help="a folder, or a number to generate")
    parser.add_argument(
        "--instructions",
        choices=("synthetic", "paraphrased"),
        default="synthetic",
        help="wording to begin with",
    )
    parser.add_argument(
        "--split", default="test", help="goals to rewrite: train, validation, test or all"
    )
    parser.add_argument(
        "--goal-seed", type=int, default=0, help="seed of the goals' prices and limits"
    )
    parser.add_argument("--goals", type=int, default=50, help="goals to rewrite")
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.7,
        help="of the model's answers; 0 takes the likeliest",
    )
    parser.add_argument("--max-tokens", type=int, default=200, help="tokens of an answer at most")
    parser.add_argument(
        "--timeout", type=float, default=120.0, help="seconds to wait for an answer"
    )
    main(parser.parse_args())
