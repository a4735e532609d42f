"""``llmrec shop train``: trains a shopping agent."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

import typer
from rich.console import Console

from llmrec_env.cli import options
from llmrec_env.cli.confirming import Yes, go_on
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.shop.options import ShopLMOptions, ShopOptions
from llmrec_env.cli.typed import refuse_typed
from llmrec_env.common.errors import SettingError

LM_NAMES = tuple(field.name for field in fields(ShopLMOptions))
OF_STAGES = {
    ("behavior_cloning", "sft"): ("teacher", "epochs", "learning_rate"),
    ("dpo",): ("dpo_teacher", *(name for name in LM_NAMES if name.startswith("dpo_"))),
    ("ppo",): ("reward_model", *(name for name in LM_NAMES if name.startswith("ppo_"))),
}
"""Stages, by their names, and the options that they alone read."""


@options.option_groups
@clear_errors()
def train(
    context: typer.Context,
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
    dpo_teacher: Annotated[
        str,
        typer.Option(
            help="Who says in dpo what should have been done: oracle, browser or first-hit."
        ),
    ] = "oracle",
    validation_goals: Annotated[
        int | None,
        options.number(
            "Validation goals at most, by whose success weights are kept; 0 keeps the last ones, "
            "of sft those of the lowest loss. If not given, 200, and 20 for a language model.",
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
    for names, own in OF_STAGES.items():
        if not set(names) & set(options.listed(stages)):
            refuse_typed(context, f"--stages has no {names[0]}", *own)
    settings = shop.settings
    from agents.shop.compact import CompactConfig
    from agents.shop.pipeline import ShopTraining, train_shopper, validation_of
    from agents.shop.reward.language_reward import LanguageReward

    if base_model is None and lm != ShopLMOptions():
        raise SettingError(
            "--dtype, --lora-rank, --epochs and the other options of a language model need one: "
            "name it with --base-model"
        )
    if reward_model is not None:
        LanguageReward.load(reward_model)  # refused here, and not after the stages before ppo
    if validation_goals is None:
        validation_goals = 200 if base_model is None else 20
    training = ShopTraining(
        settings,
        options.listed(stages),
        teacher=teacher,
        dpo_teacher=dpo_teacher,
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
