"""``llmrec shop evaluate``: measures a shopping agent on test goals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.shop.options import ShopOptions
from llmrec_env.common.errors import SettingError


@options.option_groups
@clear_errors(goes_on=False)
def evaluate(
    policy: Annotated[
        Path | None,
        typer.Option(
            help="Folder that `llmrec shop train` named at its end. The agent shops in the shop of "
            "its training."
        ),
    ] = None,
    agent: Annotated[
        str, typer.Option(help="Who shops without a policy: first-hit, browser or oracle.")
    ] = "browser",
    goals: Annotated[int, options.number("Test goals at most.", least=1)] = 500,
    seed: Annotated[int, options.number("Seed of the choice of goals and actions.", least=0)] = 0,
    *,
    shop: ShopOptions,
) -> None:
    """Measure a shopper on test goals: success, score and steps, with 95% intervals over products.

    A trained policy is measured twice: with its best actions (greedy) and with sampled ones.
    """
    from agents.shop.evaluation import choose_goals, evaluate_shopper
    from agents.shop.shop_pool import ShopPool

    if policy is not None and shop != ShopOptions():
        raise SettingError(
            "a policy is judged in the shop that it was trained in: leave out --catalogue and "
            "the other options of the shop beside --policy"
        )
    shopper, settings = _shopper(policy, agent, {**shop.settings, "split": "test"})
    chosen = choose_goals(len(ShopPool(settings).shop.goals), goals, seed)
    table = Table(title=Text(f"{policy or agent}, test goals: {len(chosen)}"))
    for column in ("actions", "success %", "score", "steps"):
        table.add_column(column)
    ways = {"": None} if policy is None else {"greedy": None, "sampled": seed}
    for way, sample_seed in ways.items():
        results = evaluate_shopper(shopper, settings, chosen, sample_seed=sample_seed)
        spans = (results.success, results.score)
        cells = [Text(f"{m:.1f} [{lo:.1f}, {hi:.1f}]") for m, lo, hi in spans]
        table.add_row(way, *cells, f"{results.lengths.mean():.1f}")
    Console().print(table)


def _shopper(
    policy: Path | None, agent: str, settings: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Who shops, and in which shop."""
    from agents.shop.pipeline import load_policy, trained_in
    from agents.shop.scripted import FirstHit, Oracle, ScriptedBrowser
    from agents.shop.shop_pool import ShopPool

    if policy is not None:
        return load_policy(policy), {**trained_in(policy), "split": "test"}
    if agent == "oracle":
        return Oracle(ShopPool(settings).shop), settings
    rules = {"first-hit": FirstHit, "browser": ScriptedBrowser}
    if agent not in rules:
        raise SettingError(f"--agent is first-hit, browser or oracle, got {agent!r}")
    return rules[agent](), settings
