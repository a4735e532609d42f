"""What agents of the shop reach, over splits and seeds, beside rules that learn nothing.

    python benchmarks/shop_agents.py --task products --data WEBSHOP_FOLDER --out runs/shop

Tasks: ``products`` (held-out products of the public files, at most 10 goals of each, the published
reward), ``goals`` (held-out goals of products that training has seen), ``paraphrased`` (the
generated shop, in other words). Every training of every split is a job of its own and is kept in
``--out``; a run that is killed goes on. Settings were chosen on validation goals of splits 1 to 3;
test goals decide nothing. Prints the table as Markdown.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from agents.shop.behavior_cloning import BehaviorCloningConfig
from agents.shop.compact import CompactConfig
from agents.shop.evaluation import choose_goals, evaluate_shopper
from agents.shop.pipeline import ShopTraining, train_shopper
from agents.shop.ppo import PPOConfig
from agents.shop.results import ShopResults, bounded_interval
from agents.shop.scripted import FirstHit, Oracle, ScriptedBrowser
from agents.shop.shop_pool import ShopAgent, ShopPool
from llmrec_env.common.files import read_json, write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.common.jobs import available_cores, run_jobs
from llmrec_env.envs.shop.goals import GoalSet, paraphrase

TEST_GOALS = 500
PATHS = {
    "behavior cloning": ("behavior_cloning",),
    "behavior cloning + DPO": ("behavior_cloning", "dpo"),
    "behavior cloning + PPO": ("behavior_cloning", "ppo"),
    "behavior cloning + DPO + PPO": ("behavior_cloning", "dpo", "ppo"),
}
KNOWN = ", in words of training"
"""Ends the name of a row that judges the same policy on the same test goals in other words."""
HARDER: dict[str, Any] = {
    "rollouts": 4000,
    "compact": CompactConfig(relations=16),
    "behavior_cloning": BehaviorCloningConfig(epochs=3),
    "ppo": PPOConfig(iterations=60),
}
"""Other words for the same thing are learned from many rollouts, which cost nothing here."""


def settings_of(task: str, data: str | None, split_seed: int) -> dict[str, Any]:
    """Arguments of the environment."""
    if task == "paraphrased":
        return {"instructions": "paraphrased", "goals_per_product": 10, "goal_seed": split_seed}
    if data is None:
        raise SystemExit(f"--task {task} needs --data, the folder of the public WebShop files")
    capped = {"split_by": "product", "goals_per_product": 10}
    by_goal = {"split_by": "goal"}
    return {
        "catalogue": data,
        "reward": "webshop",
        "goal_seed": split_seed,
        **(capped if task == "products" else by_goal),
    }


def run_rules(task: str, data: str | None, split: int, out: Path) -> None:
    """The rows of a split that need no training."""
    settings = {**settings_of(task, data, split), "split": "test"}
    shop = ShopPool(settings).shop
    rules: dict[str, ShopAgent] = {
        "first hit, options copied": FirstHit(),
        "scripted browser": ScriptedBrowser(),
        "oracle": Oracle(shop),
    }
    for name, agent in rules.items():
        judge(name, agent, settings, out / f"{name}.json", sampled=False)


def run_training(
    task: str, data: str | None, split: int, seed: int, out: Path, paths: dict[str, Any]
) -> None:
    """The rows of one training seed on a split."""
    settings, harder = settings_of(task, data, split), task == "paraphrased"
    for name, stages in paths.items():
        training = ShopTraining(settings, stages, seed=seed, **HARDER if harder else {})
        learn_and_judge(name, training, out)


def learn_and_judge(name: str, training: ShopTraining, out: Path) -> None:
    """Train, and shop for the test goals."""
    policy, folder = train_shopper(training, out)
    stages = training.stages
    folders = [out / "+".join(stages[: n + 1]) for n in range(len(stages))]
    seconds = sum(read_json(path / "stage.json")["seconds"] for path in folders)
    test = {**training.settings, "split": "test"}
    judge(name, policy, test, folder / "test.json", sampled=True, seconds=seconds)
    if test.get("instructions") == "paraphrased":
        known = in_known_words(test)
        judge(name + KNOWN, policy, known, folder / "known.json", sampled=False)


def in_known_words(settings: dict[str, Any]) -> dict[str, Any]:
    """The shop with the same test goals, said in the words that training goals have."""
    goals, seed = ShopPool(settings).shop.goals, settings["goal_seed"]
    said = GoalSet(paraphrase(goals, ["train"] * len(goals), seed))
    others = {name: value for name, value in settings.items() if name != "goals_per_product"}
    return {**others, "instructions": said, "split": "all"}


def judge(
    name: str,
    agent: ShopAgent,
    settings: dict[str, Any],
    path: Path,
    sampled: bool,
    seconds: float = 0.0,
) -> None:
    """Shop for the test goals, once, and write down what each earned."""
    if path.exists():
        return
    goals = choose_goals(len(ShopPool(settings).shop.goals), TEST_GOALS)
    ways: dict[str, int | None] = {"greedy": None, **({"sampled": 0} if sampled else {})}
    row: dict[str, Any] = {"agent": name, "seconds": seconds, "split": settings["goal_seed"]}
    for way, sample_seed in ways.items():
        results: ShopResults = evaluate_shopper(agent, settings, goals, sample_seed=sample_seed)
        row["products"] = results.products.tolist()
        row[way] = {"rewards": results.rewards.tolist(), "successes": results.successes.tolist()}
    write_json(path, row)


def gather(out: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows by agent."""
    rows: dict[str, list[dict[str, Any]]] = {}
    learned = [*out.glob("split*/*/*/test.json"), *out.glob("split*/*/*/known.json")]
    for path in sorted([*out.glob("split*/*.json"), *learned]):
        row = read_json(path)
        rows.setdefault(row["agent"], []).append(row)
    return rows


def pooled(rows: list[dict[str, Any]], way: str, what: str) -> tuple[Any, Any]:
    """Per goal, the mean over training seeds in per cent, and the product it belongs to."""
    values, clusters = [], []
    for split in sorted({row["split"] for row in rows}):
        own = [row for row in rows if row["split"] == split]
        values.append(100.0 * np.mean([row[way][what] for row in own], axis=0))
        clusters += [f"{split}/{product}" for product in own[0]["products"]]
    return np.concatenate(values), np.array(clusters)


def table(rows: dict[str, list[dict[str, Any]]], order: list[str]) -> str:
    """The Markdown table: means over splits and seeds, 95% intervals over products."""
    lines = [
        "| agent | success | score | sampled | above cloning | above browser | runs | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in (name for name in order if name in rows):
        own = rows[name]
        cells = [name]
        for way, what in (("greedy", "successes"), ("greedy", "rewards"), ("sampled", "successes")):
            known = all(way in row for row in own)
            cells.append(with_interval(*pooled(own, way, what)) if known else "")
        above = [beyond(rows, name, base) for base in ("behavior cloning", "scripted browser")]
        learned = name in PATHS
        cells += [
            *(above if learned else ("", "")),
            str(len(own)) if learned else "",
            f"{np.mean([row['seconds'] for row in own]):.0f}" if learned else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def beyond(rows: dict[str, list[dict[str, Any]]], name: str, base: str) -> str:
    """How much higher an agent's greedy success is than another's, on the same goals."""
    if name == base or base not in rows:
        return ""
    splits = {row["split"] for row in rows[name]} & {row["split"] for row in rows[base]}
    one, other = (
        pooled([row for row in rows[who] if row["split"] in splits], "greedy", "successes")
        for who in (name, base)
    )
    return with_interval(one[0] - other[0], one[1], sign=True)


def with_interval(values: Any, clusters: Any, sign: bool = False) -> str:
    """``mean [low, high]``, in per cent or, with its sign, a difference of such."""
    mean, low, high = bounded_interval(values, clusters, -100.0 if sign else 0.0, 100.0)
    plus = "+" if sign else ""
    return f"{mean:{plus}.1f} [{low:{plus}.1f}, {high:{plus}.1f}]"


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", maxsplit=1)[0], formatter_class=HelpFormatter
    )
    parser.add_argument(
        "--task",
        choices=("products", "goals", "paraphrased"),
        default="products",
        help="what the splits do not share, or goals in other words",
    )
    parser.add_argument("--data", help="folder of the public WebShop files")
    parser.add_argument(
        "--splits", type=int, nargs="+", default=[0, 1, 2], help="seeds of the splits"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds, one run each"
    )
    parser.add_argument("--agents", nargs="+", choices=PATHS, default=list(PATHS), help="who shops")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/shop_agents"), help="where results are written"
    )
    parser.add_argument(
        "--workers", type=int, default=available_cores(), help="processes at work at once"
    )
    options = parser.parse_args()
    task, data, out = options.task, options.data, options.out / options.task
    paths = {name: PATHS[name] for name in options.agents}
    jobs: dict[str, Any] = {}
    for seed in options.seeds:
        for split in options.splits:
            here = out / f"split{split}"
            if seed == options.seeds[0]:
                jobs[f"rules, split {split}"] = partial(run_rules, task, data, split, here)
            jobs[f"split {split}, seed {seed}"] = partial(
                run_training, task, data, split, seed, here / f"seed{seed}", paths
            )
    run_jobs(jobs, options.workers)
    rules = ["first hit, options copied", "scripted browser", "oracle"]
    order = [*rules, *PATHS, *(path + KNOWN for path in PATHS)]
    print(table(gather(out), order))


if __name__ == "__main__":
    main()
