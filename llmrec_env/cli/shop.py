"""``llmrec shop``: train agents that shop for an instruction, judge them, or shop oneself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from llmrec_env.cli.errors import clear_errors
from llmrec_env.common.errors import SettingError

app = typer.Typer(
    help="Shop for an instruction: LLMRec/Shop-v0 and its agents.", no_args_is_help=True
)

ProductCatalogue = Annotated[
    str | None,
    typer.Option(
        help="Folder of the public WebShop files or of a saved catalogue, or a number of products "
        "to generate; 1,000 generated ones if not given."
    ),
]
Instructions = Annotated[str, typer.Option(help="synthetic, human or paraphrased.")]
Reward = Annotated[str, typer.Option(help="repaired or webshop (the published rule).")]
SplitBy = Annotated[str, typer.Option(help="What splits do not share: product or goal.")]
PerProduct = Annotated[
    int | None, typer.Option(min=1, help="Goals of one product at most; all if not given.")
]
GoalSeed = Annotated[int, typer.Option(help="Draws prices, limits and splits.")]
Seed = Annotated[int, typer.Option(help="Seed of everything that learns or is drawn.")]


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Run folder; a killed run is continued.")],
    stages: Annotated[
        str, typer.Option(help="What is done in turn: imitation, dpo, ppo, joined by commas.")
    ] = "imitation,dpo",
    rollouts: Annotated[int, typer.Option(min=1, help="Perfect rollouts to imitate.")] = 100,
    teacher: Annotated[str, typer.Option(help="Who writes them: oracle or browser.")] = "oracle",
    base_model: Annotated[
        str | None,
        typer.Option(
            help="Causal LM to adapt with LoRA, by hub name or folder; a compact policy is trained "
            "from nothing if not given."
        ),
    ] = None,
    reward_model: Annotated[
        str | None,
        typer.Option(help="Folder of a language reward model, from which ppo learns instead."),
    ] = None,
    catalogue: ProductCatalogue = None,
    instructions: Instructions = "synthetic",
    reward: Reward = "repaired",
    split_by: SplitBy = "product",
    goals_per_product: PerProduct = 10,
    goal_seed: GoalSeed = 0,
    seed: Seed = 0,
) -> None:
    """Train a shopper by imitation, then DPO from generated rollouts or PPO on the reward."""
    with clear_errors():
        from agents.shop.compact import CompactConfig
        from agents.shop.pipeline import ShopTraining, train_shopper, validation_of

        training = ShopTraining(
            _settings(catalogue, instructions, reward, split_by, goals_per_product, goal_seed),
            tuple(stage.strip() for stage in stages.split(",")),
            teacher=teacher,
            rollouts=rollouts,
            base_model=base_model,
            reward_model=reward_model,
            compact=CompactConfig(relations=8 if instructions == "paraphrased" else 0),
            seed=seed,
        )
        _, folder = train_shopper(training, out)
        best = validation_of(folder)
        if best:
            told = f"success {best['success']:.1f}%, score {best['score']:.1f}"
            Console().print(f"Validation goals: {told}", highlight=False)
        Console().print(f"Saved to {folder}", soft_wrap=True)


@app.command()
def evaluate(
    policy: Annotated[
        Path | None,
        typer.Option(help="Folder that `shop train` named; the shop is that of its training."),
    ] = None,
    agent: Annotated[
        str, typer.Option(help="Without a policy: first-hit, browser or oracle.")
    ] = "browser",
    goals: Annotated[int, typer.Option(min=1, help="Test goals at most.")] = 500,
    catalogue: ProductCatalogue = None,
    instructions: Instructions = "synthetic",
    reward: Reward = "repaired",
    split_by: SplitBy = "product",
    goals_per_product: PerProduct = 10,
    goal_seed: GoalSeed = 0,
    seed: Seed = 0,
) -> None:
    """Score and success on test goals with 95% intervals over products, greedy and sampled."""
    with clear_errors():
        from agents.shop.evaluation import choose_goals, evaluate_shopper
        from agents.shop.shop_pool import ShopPool

        settings = _settings(
            catalogue, instructions, reward, split_by, goals_per_product, goal_seed
        )
        if policy is not None and settings != _settings(
            None, "synthetic", "repaired", "product", 10, 0
        ):
            raise SettingError(
                "a policy is judged in the shop that it was trained in: leave out --catalogue and "
                "the other options of the shop beside --policy"
            )
        shopper, name, settings = _shopper(policy, agent, settings)
        settings = {**settings, "split": "test"}
        chosen = choose_goals(len(ShopPool(settings).shop.goals), goals, seed)
        ways = {"greedy": None, "sampled": seed} if policy is not None else {"": None}
        table = Table(title=f"{name}, test goals: {len(chosen)}")
        for column in ("actions", "success %", "score", "steps"):
            table.add_column(column)
        for way, sample_seed in ways.items():
            results = evaluate_shopper(shopper, settings, chosen, sample_seed=sample_seed)
            cells = [
                f"{m:.1f} [{lo:.1f}, {hi:.1f}]" for m, lo, hi in (results.success, results.score)
            ]
            table.add_row(way, *cells, f"{results.lengths.mean():.1f}")
        Console().print(table)


@app.command()
def play(
    goal: Annotated[
        int | None, typer.Option(min=0, help="Number of the goal; drawn if not given.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation, test or all.")] = "train",
    catalogue: ProductCatalogue = None,
    instructions: Instructions = "synthetic",
    reward: Reward = "repaired",
    split_by: SplitBy = "product",
    goals_per_product: PerProduct = 10,
    goal_seed: GoalSeed = 0,
    seed: Annotated[int | None, typer.Option(help="Draws the goal; chance if not given.")] = None,
) -> None:
    """Shop yourself, in the terminal."""
    with clear_errors():
        from agents.shop.play import play as play_in

        settings = _settings(
            catalogue, instructions, reward, split_by, goals_per_product, goal_seed
        )
        play_in({**settings, "split": split}, goal, seed)


def _settings(
    catalogue: str | None,
    instructions: str,
    reward: str,
    split_by: str,
    goals_per_product: int | None,
    goal_seed: int,
) -> dict[str, Any]:
    """Arguments of the environment."""
    made = int(catalogue) if catalogue is not None and catalogue.isdecimal() else catalogue
    return {
        "catalogue": made,
        "instructions": instructions,
        "reward": reward,
        "split_by": split_by,
        "goals_per_product": goals_per_product,
        "goal_seed": goal_seed,
    }


def _shopper(
    policy: Path | None, agent: str, settings: dict[str, Any]
) -> tuple[Any, str, dict[str, Any]]:
    """Who shops, what to call it, and in which shop."""
    from agents.shop.oracle import Oracle
    from agents.shop.pipeline import load_policy, trained_in
    from agents.shop.rules import FirstHit, ScriptedBrowser
    from agents.shop.shop_pool import ShopPool

    if policy is not None:
        return load_policy(policy), str(policy), trained_in(policy)
    if agent == "oracle":
        return Oracle(ShopPool({**settings, "split": "test"}).shop), agent, settings
    rules = {"first-hit": FirstHit, "browser": ScriptedBrowser}
    if agent not in rules:
        raise SettingError(f"--agent is first-hit, browser or oracle, got {agent!r}")
    return rules[agent](), agent, settings
