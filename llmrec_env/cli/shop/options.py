"""Command-line options that choose a shop's products, goals and reward, and how a language model
learns to shop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from llmrec_env.cli import options
from llmrec_env.common.errors import SettingError

USUAL: dict[str, Any] = {
    "instructions": "synthetic",
    "reward": "repaired",
    "split_by": "product",
    "goals_per_product": 10,
    "goal_seed": 0,
}
"""What a shop is without a protocol and where no option says otherwise. Environments in Python deal
out all goals of a product: ten of the public products have two fifths of those."""


@dataclass(frozen=True)
class ShopOptions:
    """Products, goals and reward of a shop; each field is an option, None where it is not given."""

    catalogue: Annotated[
        str | None,
        typer.Option(
            help="Folder of the public WebShop files or of a saved catalogue, or a number of "
            "products to generate. If not given, 1,000 generated ones."
        ),
    ] = None
    instructions: Annotated[
        str | None,
        typer.Option(
            help="Wording of the instructions: synthetic, human or paraphrased; or a JSON file of "
            "rewritten ones.",
            show_default=USUAL["instructions"],
        ),
    ] = None
    reward: Annotated[
        str | None,
        typer.Option(
            help="Reward of a purchase: repaired, or webshop (the published rule).",
            show_default=USUAL["reward"],
        ),
    ] = None
    split_by: Annotated[
        str | None,
        typer.Option(
            help="What training and test goals do not share: product or goal; or position, the "
            "field's own split, by place in the published order.",
            show_default=USUAL["split_by"],
        ),
    ] = None
    goals_per_product: Annotated[
        int | None,
        options.number(
            "Goals of one product at most, so that a few products are not the result; a large "
            "number for all, which environments and tools in Python take.",
            least=1,
            show_default=str(USUAL["goals_per_product"]),
        ),
    ] = None
    goal_seed: Annotated[
        int | None,
        options.number(
            "Seed of the goals' prices and limits, and of the split.",
            least=0,
            show_default=str(USUAL["goal_seed"]),
        ),
    ] = None

    protocol: Annotated[
        str | None,
        typer.Option(
            help="Protocol that fixes all of these but a folder of files: webshop-products, "
            "webshop-position, generated, generated-paraphrased, or a JSON file."
        ),
    ] = None

    @property
    def wording(self) -> str:
        """Of the instructions, the protocol's where one is named."""
        from llmrec_env.envs.shop.protocol.protocol import load_protocol

        if self.protocol:
            return load_protocol(self.protocol).instructions
        return self.instructions or str(USUAL["instructions"])

    @property
    def settings(self) -> dict[str, Any]:
        """Keywords of the environment; to be asked for before any slow work.

        Raises:
            SettingError: an option has no such value, or stands beside a protocol, which fixes it.
            DataError: the folder of the catalogue or the file of the instructions is not there, or
                holds none.
        """
        from llmrec_env.envs.common.checks import check_name
        from llmrec_env.envs.shop.goals import SPLIT_BY
        from llmrec_env.envs.shop.inventory import check_source
        from llmrec_env.envs.shop.protocol.protocol import REWARDS, load_protocol
        from llmrec_env.envs.shop.shop import open_instructions

        number = self.catalogue is not None and self.catalogue.isdecimal()
        catalogue = int(self.catalogue or 0) if number else self.catalogue
        check_source(catalogue)
        given = {name: value for name in USUAL if (value := getattr(self, name)) is not None}
        if self.protocol is None:
            settings = {"catalogue": catalogue, **USUAL, **given, "protocol": None}
            open_instructions(settings["instructions"])
            check_name("reward", settings["reward"], REWARDS)
            check_name("split_by", settings["split_by"], SPLIT_BY)
            return settings
        for name in given:
            raise SettingError(f"--protocol fixes it: leave out --{name.replace('_', '-')}")
        # the step limit goes along, and the split is the caller's
        settings = load_protocol(self.protocol).settings("all", catalogue)
        del settings["split"]
        return {**settings, "protocol": self.protocol}


@dataclass(frozen=True)
class ShopLMOptions:
    """How a language model reads pages and learns; each field is an option."""

    dtype: options.Dtype = None
    layers: options.Layers = None
    prompt_tokens: Annotated[
        int, options.number("Tokens of a page at most; longer ones are cut.", least=256)
    ] = 384
    lora_rank: Annotated[int, options.number("Rank of the LoRA adapter.", least=1)] = 16
    lora_modules: options.LoraModules = None
    lora_layers: Annotated[
        int | None,
        options.number(
            "In how many layers LoRA stands, the last ones: fewer are faster. If not given, all.", 1
        ),
    ] = None
    part_tokens: Annotated[
        int,
        options.number(
            "Tokens that are read at once: fewer take less memory, and change nothing else.", 1
        ),
    ] = 512
    gradient_checkpointing: Annotated[
        bool, typer.Option(help="Save memory in learning, for a third more time.")
    ] = False
    epochs: Annotated[int, options.number("Passes over the rollouts, by sft.", least=1)] = 2
    batch_size: Annotated[
        int, options.number("Decisions, or pairs, of an optimiser step.", least=1)
    ] = 16
    learning_rate: Annotated[
        float, options.number("Peak learning rate of sft.", above=0, most=1)
    ] = 1e-3
    dpo_learning_rate: Annotated[
        float, options.number("Peak learning rate of dpo.", above=0, most=1)
    ] = 2e-4
    dpo_beta: Annotated[
        float,
        options.number("How near dpo stays to where it began: the larger, the nearer.", above=0),
    ] = 0.1
    dpo_rounds: Annotated[int, options.number("How often dpo gathers pairs anew.", least=1)] = 2
    dpo_episodes: Annotated[
        int, options.number("Episodes in which a round of dpo gathers pairs.", least=1)
    ] = 60
    dpo_steps: Annotated[int, options.number("Steps of a round of dpo.", least=1)] = 16
    ppo_iterations: Annotated[
        int, options.number("How often ppo lives episodes anew.", least=1)
    ] = 20
    ppo_episodes: Annotated[int, options.number("Episodes of such a time.", least=1)] = 32
    ppo_learning_rate: Annotated[
        float, options.number("Peak learning rate of ppo.", above=0, most=1)
    ] = 1e-4

    @property
    def configs(self) -> dict[str, Any]:
        """Fields of ``ShopTraining``."""
        from agents.shop.causal_lm import CausalLMConfig
        from agents.shop.dpo import DPOConfig
        from agents.shop.fine_tuning import FineTuningConfig
        from agents.shop.ppo import PPOConfig

        return {
            "causal_lm": CausalLMConfig(
                prompt_tokens=self.prompt_tokens,
                dtype=self.dtype or "auto",
                layers=self.layers,
                rank=self.lora_rank,
                alpha=2 * self.lora_rank,
                lora_modules=options.listed(self.lora_modules or ""),
                lora_layers=self.lora_layers,
                part_tokens=self.part_tokens,
                gradient_checkpointing=self.gradient_checkpointing,
            ),
            "fine_tuning": FineTuningConfig(self.epochs, self.batch_size, self.learning_rate),
            "lm_dpo": DPOConfig(
                self.dpo_beta,
                self.dpo_rounds,
                self.dpo_episodes,
                self.dpo_steps,
                self.batch_size,
                self.dpo_learning_rate,
            ),
            "ppo": PPOConfig(
                iterations=self.ppo_iterations,
                episodes=self.ppo_episodes,
                epochs=1,
                batches=2,
                learning_rate=self.ppo_learning_rate,
                entropy=0.0,
                validations=2,
            ),
        }
