"""``llmrec shop train``: trains a shopping agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from llmrec_env.cli import options
from llmrec_env.cli.confirming import Yes, go_on
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.shop.options import ShopLMOptions, ShopOptions
from llmrec_env.common.errors import SettingError

if TYPE_CHECKING:
    pass


@options.option_groups
@clear_errors()
def train(
    out: options.RunFolder,
    stages: Annotated[
        str,
        typer.Option(
            help="What the agent learns by, in turn: behavior_cloning (or sft, its other name), "
            "dpo, ppo, with commas."
        ),
    ] = "behavior_cloning,dpo",
    rollouts: Annotated[int, options.number("Perfect rollouts to learn from.", least=1)] = 100,
    teacher: Annotated[
        str, typer.Option(help="Who shops in those rollouts: oracle, browser or first-hit.")
    ] = "oracle",
    validation_goals: Annotated[
        int | None,
        options.number(
            "Validation goals at most, by whose success weights are kept; 0 keeps those of the "
            "lowest loss. If not given, 200, and 20 for a language model.",
            least=0,
        ),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(
            help="Causal language model to adapt with LoRA: a hub name, a folder or a .gguf file. "
            "If not given, a compact policy is trained from nothing."
        ),
    ] = None,
    reward_model: Annotated[
        str | None, typer.Option(help="Folder of a language reward model that ppo learns from.")
    ] = None,
    yes: Yes = False,
    seed: Annotated[int, options.number("Seed of everything that learns.", least=0)] = 0,
    *,
    lm: ShopLMOptions,
    shop: ShopOptions,
) -> None:
    """Train a shopper: first by behaviour cloning, then by DPO on its own rollouts or by PPO.

    Before a language model learns, a step is timed, and what all will take is told.
    """
    settings = shop.settings
    from agents.shop.compact import CompactConfig
    from agents.shop.pipeline import ShopTraining, train_shopper, validation_of

    if base_model is None and lm != ShopLMOptions():
        raise SettingError(
            "--dtype, --lora-rank, --epochs and the other options of a language model need one: "
            "name it with --base-model"
        )
    if reward_model is not None and "ppo" not in options.listed(stages):
        raise SettingError("ppo alone learns from --reward-model: name it among --stages")
    if validation_goals is None:
        validation_goals = 200 if base_model is None else 20
    training = ShopTraining(
        settings,
        options.listed(stages),
        teacher=teacher,
        rollouts=rollouts,
        validation_goals=validation_goals,
        base_model=base_model,
        reward_model=reward_model,
        compact=CompactConfig(relations=8 if shop.wording == "paraphrased" else 0),
        seed=seed,
        **({} if base_model is None else lm.configs),
    )
    _, folder = train_shopper(training, out, lambda estimate: go_on(estimate, yes))
    best = validation_of(folder)
    if best:
        result = f"success {best['success']:.1f}%, score {best['score']:.1f}"
        Console().print(f"Validation goals: {result}", highlight=False)
    print_line(f"Saved to {folder}")
