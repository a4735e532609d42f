"""``llmrec shop train``: trains a shopping agent."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.shop.options import ShopOptions


@options.option_groups
@clear_errors()
def train(
    out: options.RunFolder,
    stages: Annotated[
        str,
        typer.Option(
            help="What the agent learns by, in turn: behavior_cloning, dpo, ppo, with commas."
        ),
    ] = "behavior_cloning,dpo",
    rollouts: Annotated[int, options.number("Perfect rollouts to learn from.", least=1)] = 100,
    teacher: Annotated[
        str, typer.Option(help="Who shops in those rollouts: oracle or browser.")
    ] = "oracle",
    base_model: Annotated[
        str | None,
        typer.Option(
            help="Causal language model to adapt with LoRA, by hub name or folder. If not given, a "
            "compact policy is trained from nothing."
        ),
    ] = None,
    reward_model: Annotated[
        str | None, typer.Option(help="Folder of a language reward model that ppo learns from.")
    ] = None,
    seed: Annotated[int, options.number("Seed of everything that learns.", least=0)] = 0,
    *,
    shop: ShopOptions,
) -> None:
    """Train a shopper: first by behaviour cloning, then by DPO on its own rollouts or by PPO."""
    from agents.shop.compact import CompactConfig
    from agents.shop.pipeline import ShopTraining, train_shopper, validation_of

    training = ShopTraining(
        shop.settings,
        options.listed(stages),
        teacher=teacher,
        rollouts=rollouts,
        base_model=base_model,
        reward_model=reward_model,
        compact=CompactConfig(relations=8 if shop.instructions == "paraphrased" else 0),
        seed=seed,
    )
    _, folder = train_shopper(training, out)
    best = validation_of(folder)
    if best:
        result = f"success {best['success']:.1f}%, score {best['score']:.1f}"
        Console().print(f"Validation goals: {result}", highlight=False)
    print_line(f"Saved to {folder}")
