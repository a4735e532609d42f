"""``llmrec shop evaluate``: measures shopping agents on test goals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_line
from llmrec_env.cli.shop.options import ShopOptions
from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import check_new_file, write_json
from llmrec_env.evaluation.intervals import Interval

if TYPE_CHECKING:
    from agents.shop.results import ShopResults
    from llmrec_env.envs.shop.shop import Shop

USUAL_GOALS = 500
"""Test goals where no protocol is named."""


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
        str | None,
        typer.Option(
            help="Who shops without a policy: first-hit, browser or oracle, some with commas; or "
            "rules, all three.",
            show_default="browser",
        ),
    ] = None,
    answers: Annotated[
        str,
        typer.Option(
            help="How a language model acts: choose, the likeliest of the valid actions; write, "
            "a text of its own, of which the action is read."
        ),
    ] = "choose",
    goals: Annotated[
        int | None,
        options.number(
            "Test goals at most: drawn, or the first ones of a protocol. If not given, 500, and "
            "all of a protocol.",
            least=1,
        ),
    ] = None,
    seed: Annotated[int, options.number("Seed of the choice of goals and actions.", least=0)] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="JSON file for the results, goal by goal, with the protocol's hash; one that is "
            "there is refused."
        ),
    ] = None,
    *,
    shop: ShopOptions,
) -> None:
    """Measure shoppers on test goals: success, score, options and steps, with 95% intervals over
    products.

    Options: of the runs whose goal asks for options, how many bought with all of them chosen. A
    trained policy is measured twice, with its best actions (greedy) and with sampled ones, and two
    rules that learn nothing stand beside it.
    """
    if policy is not None and agent is not None:
        raise SettingError(
            "first-hit and browser stand beside a --policy anyway: leave out --agent"
        )
    if out is not None:
        check_new_file(out, "--out")
    settings = {**_settings(policy, shop), "split": "test"}
    from agents.shop.evaluation import choose_goals, evaluate_shopper
    from agents.shop.shop_pool import shop_of

    opened = shop_of(settings)
    chosen: Sequence[int] = range(min(goals or len(opened.goals), len(opened.goals)))
    if opened.protocol is None:
        chosen = choose_goals(len(opened.goals), goals or USUAL_GOALS, seed)
    results: dict[str, ShopResults] = {}
    for name, shopper, sample_seed in _shoppers(policy, agent or "browser", answers, opened, seed):
        results[name] = evaluate_shopper(shopper, settings, chosen, sample_seed=sample_seed)
    _print(results, f"{policy}, " if policy else "", opened)
    if out is not None:
        write_json(out, {name: own.to_json() for name, own in results.items()}, sort_keys=False)
        print_line(f"Saved to {out}")


def _settings(policy: Path | None, shop: ShopOptions) -> dict[str, Any]:
    """The shop of the options, or that of a policy's training."""
    if policy is None:
        return shop.settings
    if shop != ShopOptions():
        raise SettingError(
            "a policy is judged in the shop that it was trained in: leave out --catalogue and "
            "the other options of the shop beside --policy; `llmrec shop train --protocol` trains "
            "by a protocol"
        )
    from agents.shop.pipeline import trained_in

    return trained_in(policy)


def _shoppers(
    policy: Path | None, agent: str, answers: str, shop: Shop, seed: int
) -> list[tuple[str, Any, int | None]]:
    """Who shops, by name, and the seed that draws its actions."""
    from agents.shop.pipeline import load_policy
    from agents.shop.scripted import FirstHit, Oracle, ScriptedBrowser

    rules = {"first-hit": FirstHit(), "browser": ScriptedBrowser(), "oracle": Oracle(shop)}
    if policy is not None:
        loaded = _answering(load_policy(policy), answers)
        beside = [(name, rules[name], None) for name in ("first-hit", "browser")]
        return [("greedy", loaded, None), ("sampled", loaded, seed), *beside]
    _answering(None, answers)
    names = tuple(rules) if agent == "rules" else options.listed(agent)
    for name in names:
        if name not in rules:
            raise SettingError(f"--agent is rules or some of {', '.join(rules)}, got {name!r}")
    return [(name, rules[name], None) for name in names]


def _answering(shopper: Any, answers: str) -> Any:
    """Who shops, answering in this way."""
    from agents.shop.causal_lm import CausalLMPolicy
    from agents.shop.writing import WritingShopper

    if answers == "choose":
        return shopper
    if answers != "write" or not isinstance(shopper, CausalLMPolicy):
        raise SettingError(
            f"--answers is choose, or write for the policy of a language model, got {answers!r}"
        )
    return WritingShopper(shopper)


def _print(results: dict[str, ShopResults], who: str, shop: Shop) -> None:
    """The table of all results; its title names the protocol."""
    first = next(iter(results.values()))
    n_products = len(set(first.products.tolist()))
    title = f"{who}test goals: {len(first.goals)} of {n_products} products"
    if shop.protocol is not None:
        title += f"\nprotocol {shop.protocol.stamp}"
    table = Table(title=Text(title))
    for column in ("", "success %", "score", "options %", "steps"):
        table.add_column(column)
    for name, own in results.items():
        spans = map(_span, (own.success, own.score, own.options_chosen))
        table.add_row(Text(name), *spans, f"{own.lengths.mean():.1f}")
    Console().print(table)


def _span(interval: Interval | None) -> Text:
    if interval is None:
        return Text("–")
    mean, low, high = interval
    return Text(f"{mean:.1f} [{low:.1f}, {high:.1f}]")
