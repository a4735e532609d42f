"""What results on WebShop's own test mean: rules, scatter of draws, products, leaks, words.

    python benchmarks/shop_protocol.py --data path/to/webshop --out runs/shop_protocol
    python benchmarks/shop_protocol.py --parts words

Everything is of the public 1,000 products with their 6,910 synthetic goals, the published reward
and 15 steps, unless a row says otherwise; "words" is of the generated shop. Each part is written to
``rows.json`` as it ends and is not measured again. Prints Markdown, and draws ``draws.png``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.shop.evaluation import evaluate_shopper
from agents.shop.results import ShopResults, bounded_interval
from agents.shop.scripted import (
    NEXT,
    FirstHit,
    Oracle,
    Rule,
    ScriptedBrowser,
    buying,
    opening,
    wanted_options,
)
from agents.shop.shop_pool import ShopObservation, shop_of
from llmrec_env.common.files import atomic_path, read_json, write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.protocol.protocol import load_protocol
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.views.instruction_parser import PRICE, parse_instruction
from llmrec_env.reporting.elements import Estimate, Forest
from llmrec_env.reporting.plots import png

Row = dict[str, Any]
N_TEST = 500
DRAWN = (128, 500)
"""Goals in a draw: what the field evaluates on while it trains, and at the end."""
DRAWS = 10_000
WORKERS = 16
EPISODES = (2_400, 24_000)
"""Training goals drawn: 150 updates of 16 goals, and ten times as many."""
REPEATS = 100
PUBLISHED = {
    "GRPO, Qwen3-8B (published)": (66.0, 75.6),
    "GiGPO, Qwen2.5-7B (published)": (75.2, 86.2),
    "a later 7B (published)": (79.7, 90.2),
}
"""Success and score as they were published, mostly without an interval."""
NAMES = {"first hit": "first hit", "browser": "scripted browser", "oracle": "oracle"}
PROTOCOLS = ("webshop-position", "webshop-products")


def rules(shop: Shop) -> dict[str, Rule]:
    """Who learns nothing."""
    return {"first hit": FirstHit(), "browser": ScriptedBrowser(), "oracle": Oracle(shop)}


def by_rules(settings: Mapping[str, Any]) -> dict[str, ShopResults]:
    """What the rules get on all goals of a split."""
    return {
        name: evaluate_shopper(rule, settings) for name, rule in rules(shop_of(settings)).items()
    }


def everything(data: str) -> dict[str, Any]:
    """Settings of all 6,910 goals."""
    return {"catalogue": data, "reward": "webshop", "split": "all"}


# rules and draws ----------------------------------------------------------------------------------


def measure_rules(data: str) -> Row:
    """The rules on all goals and on both protocols' tests, and how draws of all goals scatter."""
    found = by_rules(everything(data))
    row: Row = {"all goals": {name: own.summary() for name, own in found.items()}}
    for name in PROTOCOLS:
        protocol = load_protocol(name)
        results = by_rules(protocol.settings("test", data))
        row[protocol.stamp] = {rule: own.summary() for rule, own in results.items()}
    row["draws"] = {name: scatter(own) for name, own in found.items()}
    return row


def scatter(results: ShopResults) -> dict[str, Row]:
    """Success and score of draws without replacement: mean, 95% of them, and the widest."""
    rng, found = np.random.default_rng(0), {}
    values = np.stack([results.successes.astype(np.float64), results.rewards]) * 100.0
    for n in DRAWN:
        means = np.array(
            [
                values[:, rng.choice(values.shape[1], n, replace=False)].mean(axis=1)
                for _ in range(DRAWS)
            ]
        )
        found[str(n)] = {
            name: [float(v) for v in (own.mean(), *np.quantile(own, (0.025, 0.975)))]
            for name, own in zip(("success", "score"), means.T, strict=True)
        }
    return found


# products -----------------------------------------------------------------------------------------


def measure_products(data: str) -> Row:
    """How few products the goals are of, and how many of the test's training has."""
    shop = shop_of(everything(data))
    counts = sorted(Counter(goal.asin for goal in shop.goals).values(), reverse=True)
    splits = {
        split: Shop(data, reward="webshop", split=split, split_by="position").goals
        for split in ("train", "validation", "test")
    }
    test = splits["test"]
    # the field trains on all that is no test goal
    trained = {goal.asin for split in ("train", "validation") for goal in splits[split]}
    return {
        "goals": sum(counts),
        "products": len(counts),
        "largest": counts[0],
        "top_10_percent": 100.0 * sum(counts[:10]) / sum(counts),
        "test_products": len({goal.asin for goal in test}),
        "test_largest": max(Counter(goal.asin for goal in test).values()),
        "test_goals_of_trained_products_percent": 100.0
        * float(np.mean([goal.asin in trained for goal in test])),
    }


# leaks --------------------------------------------------------------------------------------------


def of_goal(instruction: str) -> str:
    """An instruction without its price limit, which another process draws anew."""
    return PRICE.sub("", instruction)


def of_product(instruction: str) -> str:
    """What all instructions of a product have in common."""
    return parse_instruction(instruction).base


MEMORIES = {"goals by heart": of_goal, "products by heart": of_product}


class Memoriser(ScriptedBrowser):
    """Opens the product that it remembers for an instruction, and copies the options from it.

    Args:
        goals: what training showed.
        key: what is remembered of an instruction; where it is not known, a scripted browser shops.
    """

    def __init__(self, goals: Sequence[Goal], key: Callable[[str], str]) -> None:
        self._known = {key(goal.instruction): goal for goal in goals}
        self._key = key

    def _at_results(self, observation: ShopObservation) -> str:
        page = observation.content
        goal = self._known.get(self._key(page["instruction"]))
        if goal is None:
            return super()._at_results(observation)
        for hit in page["results"]:
            if hit["asin"] == goal.asin:
                return opening(hit)
        return NEXT if NEXT in observation.actions else opening(page["results"][0])

    def _at_product(self, observation: ShopObservation) -> str:
        page = observation.content
        goal = self._known.get(self._key(page["instruction"]))
        if goal is None:
            return super()._at_product(observation)
        if self._key is of_product:
            return buying(observation, wanted_options(page))
        assert isinstance(goal.options, dict)  # of synthetic instructions
        return buying(observation, goal.options)


def drawn_places(n_goals: int, episodes: int, workers: int, seed: int) -> set[int]:
    """Places, in the order of the test, of the goals that training draws.

    Each worker draws from what stands at 500 and later in an order of its own; with 0 workers, in
    the order of the test.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(N_TEST, n_goals, episodes)
    if workers == 0:
        return set(drawn.tolist())
    orders = [rng.permutation(n_goals) for _ in range(workers)]
    return {int(orders[number % workers][place]) for number, place in enumerate(drawn)}


def measure_leaks(data: str) -> Row:
    """What training shows of the test, and what a memory of it is worth."""
    field, products = (load_protocol(name) for name in PROTOCOLS)
    settings = field.settings("test", data)
    goals = sorted(shop_of(everything(data)).goals, key=lambda goal: goal.position or 0)
    row: Row = {"no memory": remembered(settings, [], goals[:N_TEST])}
    for episodes in EPISODES:
        for workers in (0, WORKERS):
            places = drawn_places(len(goals), episodes, workers, 0)
            seen = [
                sum(place < N_TEST for place in drawn_places(len(goals), episodes, workers, seed))
                for seed in range(REPEATS)
            ]
            own = remembered(settings, [goals[place] for place in places], goals[:N_TEST])
            own["goals_seen_percent"] = 100.0 * float(np.mean(seen)) / N_TEST
            who = f"{workers} workers with orders of their own" if workers else "one order"
            row[f"{episodes:,} goals drawn, {who}"] = own
    by_product = products.settings("test", data)
    train, test = (
        Shop.of({"catalogue": data, "protocol": products, "split": split}).goals
        for split in ("train", "test")
    )
    row["split by product, no memory"] = remembered(by_product, [], test)
    row["split by product, all training goals"] = remembered(by_product, train, test)
    return row


def remembered(settings: Mapping[str, Any], seen: Sequence[Goal], test: Sequence[Goal]) -> Row:
    """How much of the test was seen, and what each memory gets on it."""
    texts, asins = {of_goal(goal.instruction) for goal in seen}, {goal.asin for goal in seen}
    row: Row = {
        "goals_seen_percent": share([of_goal(goal.instruction) in texts for goal in test]),
        "products_seen_percent": share([goal.asin in asins for goal in test]),
    }
    for name, key in MEMORIES.items():
        row[name] = evaluate_shopper(Memoriser(seen, key), settings).summary()
    return row


def share(values: Sequence[bool]) -> float:
    """In per cent."""
    return 100.0 * float(np.mean(values))


# words --------------------------------------------------------------------------------------------


def measure_words() -> Row:
    """What copying solves of instructions in other words."""
    protocol = load_protocol("generated-paraphrased")
    found = by_rules(protocol.settings("test"))
    return {protocol.stamp: {name: own.summary() for name, own in found.items()}}


# tables -------------------------------------------------------------------------------------------


def interval(values: Sequence[float] | None) -> str:
    """``mean [low, high]``."""
    return "" if values is None else "{:.1f} [{:.1f}, {:.1f}]".format(*values)


def table_of_rules(found: Mapping[str, Mapping[str, Row]]) -> str:
    """Success, score and options of the rules, a line each."""
    lines = ["| goals | who | success | score | options chosen |", "|---|---|---|---|---|"]
    for goals, rows in found.items():
        for name, row in rows.items():
            where = f"{goals}: {row['goals']} of {row['products']} products"
            cells = [interval(row[one]) for one in ("success", "score", "options_chosen")]
            lines.append(f"| {where} | {NAMES[name]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table_of_draws(draws: Mapping[str, Mapping[str, Row]]) -> str:
    """Where 95% of draws lie."""
    lines = ["| who | goals in a draw | success | score |", "|---|---|---|---|"]
    for name, sizes in draws.items():
        for n, row in sizes.items():
            cells = [interval(row[one]) for one in ("success", "score")]
            lines.append(f"| {NAMES[name]} | {n} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table_of_leaks(rows: Mapping[str, Row]) -> str:
    """What was seen, and what it is worth."""
    lines = [
        "| training | goals seen | products seen | goals by heart | products by heart |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        seen = [f"{row[one]:.1f}%" for one in ("goals_seen_percent", "products_seen_percent")]
        cells = [*seen, *(interval(row[memory]["success"]) for memory in MEMORIES)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table_of_policies(groups: Sequence[str]) -> str:
    """Means over seeds of ``NAME=FILE,FILE``, as ``llmrec shop evaluate --out`` wrote them."""
    lines = [
        "| who | success | score | options chosen | sampled | above the browser |",
        "|---|---|---|---|---|---|",
    ]
    for group in groups:
        name, _, files = group.partition("=")
        runs = [
            {who: ShopResults.from_json(own, file) for who, own in read_json(file).items()}
            for file in files.split(",")
        ]
        greedy, sampled = ([run[way] for run in runs] for way in ("greedy", "sampled"))
        browser = runs[0]["browser"]
        above = over_seeds([own.successes for own in greedy]) - 100.0 * browser.successes
        columns = (
            (over_seeds([own.successes for own in greedy]), 0.0),
            (over_seeds([own.rewards for own in greedy]), 0.0),
            (over_seeds([own.options for own in greedy]), 0.0),
            (over_seeds([own.successes for own in sampled]), 0.0),
            (above, -100.0),
        )
        cells = []
        for values, least in columns:
            asked = ~np.isnan(values)
            cells.append(
                interval(bounded_interval(values[asked], browser.products[asked], least, 100.0))
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def over_seeds(values: Sequence[Any]) -> Any:
    """The mean over seeds of each goal, in per cent."""
    return 100.0 * np.mean(values, axis=0)


def show(rows: Row) -> None:
    """Print the tables as Markdown."""
    if "rules" in rows:
        found = {name: own for name, own in rows["rules"].items() if name != "draws"}
        print(table_of_rules(found), table_of_draws(rows["rules"]["draws"]), sep="\n\n")
    if "products" in rows:
        print("", *(f"{name}: {value:.4g}" for name, value in rows["products"].items()), sep="\n")
    if "leaks" in rows:
        print("", table_of_leaks(rows["leaks"]), sep="\n")
    if "words" in rows:
        print("", table_of_rules(rows["words"]), sep="\n")


def picture(rows: Row) -> Forest:
    """Success of the rules, on all goals and in draws, above what was published."""
    places: dict[str, Estimate] = {}
    for name in ("first hit", "browser"):
        mean, low, high = rows["rules"]["all goals"][name]["success"]
        places[f"{NAMES[name]}, all goals"] = Estimate(mean, low, high)
        for n, row in rows["rules"]["draws"][name].items():
            places[f"{NAMES[name]}, draws of {n}"] = Estimate(*row["success"])
    places |= {name: Estimate(success) for name, (success, _) in PUBLISHED.items()}
    caption = "All goals: 95% intervals over products. Draws: where 95% of them lie."
    return Forest("Draws", caption, places, x_label="success, %", reference=None)


def main() -> None:
    """Measure what is not there yet, print, draw."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--data", help="folder of the public WebShop files")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), help="tables to make"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/shop_protocol"), help="where results are written"
    )
    parser.add_argument("--pool", nargs="+", help="NAME=FILE,FILE of seeds; nothing is measured")
    options = parser.parse_args()
    if options.pool:
        print(table_of_policies(options.pool))
        return
    path: Path = options.out / "rows.json"
    rows: Row = read_json(path) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in options.parts:
        if name in rows:
            continue
        if name != "words" and options.data is None:
            raise SystemExit(f"--parts {name} needs --data, the folder of the public WebShop files")
        rows[name] = PARTS[name](options.data)
        write_json(path, rows, sort_keys=False)
    show(rows)
    if "rules" in rows:
        with atomic_path(options.out / "draws.png") as temporary:
            temporary.write_bytes(png(picture(rows)))


PARTS: dict[str, Callable[[str], Row]] = {
    "rules": measure_rules,
    "products": measure_products,
    "leaks": measure_leaks,
    "words": lambda data: measure_words(),
}


if __name__ == "__main__":
    main()
