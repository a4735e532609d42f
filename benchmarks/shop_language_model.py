"""A language model that shops the public 1,000 products: rules, zero-shot, SFT, DPO, PPO.

    python benchmarks/shop_language_model.py --data WEBSHOP_FOLDER --base-model FOLDER_OR_FILE

Split by product, at most 15 goals of each, 200 test goals, the published reward; or by
``--protocol webshop-products``, whose first 200 test goals are taken. The rules and the model
before and after each stage shop for the same goals in the same order, 25 at a time; what they
earned is written after each 25, and a run that is killed goes on. Prints the table as Markdown, of
what has been measured so far with ``--table``. ``--cost`` measures memory and seconds of a decision
instead, on the generated shop, each way in a process of its own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.shop.causal_lm import CausalLMConfig, CausalLMPolicy
from agents.shop.dpo import DPOConfig
from agents.shop.evaluation import choose_goals, evaluate_shopper
from agents.shop.fine_tuning import FineTuningConfig, fine_tune
from agents.shop.pipeline import TEACHERS, ShopTraining, load_policy, train_shopper
from agents.shop.ppo import PPOConfig
from agents.shop.results import bounded_interval
from agents.shop.rollouts import collect_rollouts, replay
from agents.shop.scripted import FirstHit, Oracle, ScriptedBrowser
from agents.shop.shop_pool import ShopAgent, ShopPool, as_read_by
from llmrec_env.common.files import read_json, write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.envs.shop.protocol.protocol import load_protocol
from llmrec_env.language.estimate import peak_memory

TEST_GOALS, CHUNK = 200, 25
STAGES = ("behavior_cloning", "dpo", "ppo")
MODEL = CausalLMConfig(dtype="bfloat16")
NAMES = {
    "first hit": "first hit, options copied",
    "browser": "scripted browser",
    "oracle": "oracle",
    "zero-shot": "zero-shot",
    "behavior_cloning": "SFT",
    "behavior_cloning+dpo": "SFT + DPO",
    "behavior_cloning+dpo+ppo": "SFT + DPO + PPO",
}
WAYS: dict[str, dict[str, Any]] = {
    "float32, LoRA in all layers": {},
    "bfloat16, LoRA in all layers": {"dtype": "bfloat16"},
    "bfloat16, LoRA in the last 12": {"dtype": "bfloat16", "lora_layers": 12},
    "the same, gradient checkpointing": {
        "dtype": "bfloat16",
        "lora_layers": 12,
        "gradient_checkpointing": True,
    },
}


def settings_of(data: str, split_seed: int, protocol: str | None = None) -> dict[str, Any]:
    """Arguments of the environment, without the split."""
    if protocol is not None:
        settings = load_protocol(protocol).settings("all", data)
        del settings["split"]
        return {**settings, "protocol": protocol}
    return {
        "catalogue": data,
        "split_by": "product",
        "goals_per_product": 15,
        "reward": "webshop",
        "goal_seed": split_seed,
    }


def training_of(
    settings: dict[str, Any],
    base: str,
    stages: tuple[str, ...],
    seed: int,
    options: argparse.Namespace,
) -> ShopTraining:
    """What the model learns."""
    return ShopTraining(
        settings,
        stages,
        teacher=options.teacher,
        dpo_teacher=options.dpo_teacher,
        rollouts=100,
        validation_goals=0,
        base_model=base,
        causal_lm=replace(MODEL, lora_layers=options.lora_layers),
        fine_tuning=FineTuningConfig(options.epochs, options.batch_size, validations=8),
        lm_dpo=DPOConfig(0.1, rounds=2, episodes=32, steps=48, batch_size=8, learning_rate=2e-4),
        ppo=PPOConfig(5, episodes=24, epochs=1, batches=4, learning_rate=3e-4, entropy=0.0),
        seed=seed,
    )


def judge(
    name: str, agent: Callable[[], ShopAgent], settings: dict[str, Any], out: Path, most: int
) -> None:
    """Shop for the test goals, a chunk at a time, and write down what each earned."""
    test = {**settings, "split": "test"}
    goals = list(range(TEST_GOALS))
    if "protocol" not in settings:
        goals = choose_goals(len(ShopPool(test).shop.goals), TEST_GOALS)
        goals = np.random.default_rng(0).permutation(goals).tolist()
    goals = goals[:most]
    path = out / f"{name}.json"
    kinds = ("goals", "rewards", "successes", "options", "lengths", "products")
    rows: dict[str, Any] = {**{kind: [] for kind in kinds}, "seconds": 0.0}
    if path.exists():
        rows = read_json(path)
    shopper = agent() if len(rows["goals"]) < len(goals) else None
    while shopper is not None and len(rows["goals"]) < len(goals):
        done, began = len(rows["goals"]), time.process_time()
        found = evaluate_shopper(shopper, test, goals[done : done + CHUNK])
        options = np.nan_to_num(found.options, nan=-1.0)  # of goals that ask for none
        parts = found.goals, found.rewards, found.successes, options, found.lengths
        for kind, values in zip(kinds, (*parts, found.products), strict=True):
            rows[kind] += values.tolist()
        rows["seconds"] += time.process_time() - began
        write_json(path, rows)


def run(
    settings: dict[str, Any],
    training: Callable[[tuple[str, ...], int], ShopTraining],
    base: str,
    seeds: list[int],
    out: Path,
    most: int,
) -> None:
    """All rows of the table, the cheapest ones first."""
    shop = ShopPool({**settings, "split": "test"}).shop
    rules: dict[str, ShopAgent] = {
        "first hit": FirstHit(),
        "browser": ScriptedBrowser(),
        "oracle": Oracle(shop),
    }
    for name, agent in rules.items():
        judge(name, lambda agent=agent: agent, settings, out, TEST_GOALS)  # type: ignore[misc]
    for seed in seeds:
        for n in range(len(STAGES)):
            stages, began = STAGES[: n + 1], time.process_time()
            _, folder = train_shopper(training(stages, seed), out / f"seed{seed}")
            name = f"{'+'.join(stages)}-{seed}"
            cost = {
                "cpu": time.process_time() - began,
                "gb": peak_memory(torch.device("cpu")) / 1e9,
            }
            if not (out / f"{name}-training.json").exists():
                write_json(out / f"{name}-training.json", cost)
            judge(name, partial(load_policy, folder), settings, out, most)
    judge("zero-shot", partial(CausalLMPolicy, base, MODEL), settings, out, most)


def table(out: Path) -> str:
    """The Markdown table: means over goals and seeds, 95% intervals over products, CPU seconds."""
    lines = [
        "| agent | goals | success | score | all options | steps | s of training | s a goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, shown in NAMES.items():
        files = sorted(p for p in out.glob(f"{name}*.json") if p.stem.rstrip("-0123456789") == name)
        rows = [read_json(path) for path in files]
        if not rows:
            continue
        products = np.concatenate([row["products"] for row in rows])
        cells = [shown, str(len(rows[0]["goals"]))]
        for kind in ("successes", "rewards", "options"):
            values = 100.0 * np.concatenate([row[kind] for row in rows]).astype(float)
            asked = values >= 0.0
            mean, low, high = bounded_interval(values[asked], products[asked], 0.0, 100.0)
            cells.append(f"{mean:.1f} [{low:.1f}, {high:.1f}]")
        cells.append(f"{np.mean(np.concatenate([row['lengths'] for row in rows])):.1f}")
        trained = [read_json(path) for path in out.glob(f"{name}-[0-9]*-training.json")]
        cells.append(f"{np.mean([row['cpu'] for row in trained]):.0f}" if trained else "")
        each = sum(row["seconds"] for row in rows) / sum(len(row["goals"]) for row in rows)
        cells.append(f"{each:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def measure(base: str, settings: dict[str, Any], path: Path) -> None:
    """CPU seconds of one of ten decisions, learned from and chosen, and the peak of memory."""
    torch.set_num_threads(1)
    policy = CausalLMPolicy(base, CausalLMConfig(**settings))
    shop = {"catalogue": 200, "goals_per_product": 1, "split": "train"}
    rollouts = collect_rollouts(Oracle(ShopPool(shop).shop), shop, range(6), perfect=True)
    decisions = list(replay(rollouts, as_read_by(policy, shop), policy.observation))[:10]
    observations = [one.observation for one in decisions]
    row = {"prompt": float(np.mean([len(policy.prompts.prompt(one)) for one in observations]))}
    for name, work in {
        "choose": partial(policy.act, observations),
        "learn": partial(fine_tune, policy, decisions, FineTuningConfig(epochs=1)),
    }.items():
        began = time.process_time()
        work()
        row[name] = (time.process_time() - began) / len(decisions)
    row["gb"] = peak_memory(torch.device("cpu"), heap=1.0) / 1e9
    write_json(path, row)


def costs(base: str, out: Path) -> str:
    """The Markdown table of what a decision takes."""
    paths = {name: out / f"cost-{n}.json" for n, name in enumerate(WAYS)}
    for name, path in paths.items():
        if not path.exists():  # in a process of its own, whose peak is not another way's
            process = get_context("spawn").Process(target=measure, args=(base, WAYS[name], path))
            process.start()
            process.join()
    lines = ["| | GB | learn | choose |", "|---|---|---|---|"]
    for name, path in paths.items():
        row = read_json(path)
        cells = [f"{row[kind]:.2f}" for kind in ("learn", "choose")]
        lines.append(f"| {name} | {row['gb']:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", maxsplit=1)[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--data", help="folder of the public WebShop files")
    parser.add_argument("--base-model", help="hub name, folder or GGUF file of a causal LM")
    parser.add_argument("--split", type=int, default=10, help="seed of the split")
    parser.add_argument("--protocol", help="takes the place of --split, such as webshop-products")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds, one run each")
    parser.add_argument(
        "--teacher", choices=sorted(TEACHERS), default="first-hit", help="who writes the rollouts"
    )
    parser.add_argument(
        "--dpo-teacher",
        choices=sorted(TEACHERS),
        default="browser",
        help="who says in DPO what should have been done",
    )
    parser.add_argument("--epochs", type=int, default=4, help="passes over the rollouts")
    parser.add_argument("--batch-size", type=int, default=4, help="decisions of a step")
    parser.add_argument("--lora-layers", type=int, help="the last so many alone; all if not given")
    parser.add_argument("--goals", type=int, default=TEST_GOALS, help="test goals of the model")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/shop_lm"), help="where results are written"
    )
    parser.add_argument("--table", action="store_true", help="print what there is, run nothing")
    parser.add_argument("--cost", action="store_true", help="measure a decision instead")
    options = parser.parse_args()
    if options.cost:
        print(costs(options.base_model, options.out))
        return
    if not options.table:
        if options.data is None or options.base_model is None:
            raise SystemExit("--data and --base-model are needed, or --table")
        settings = settings_of(options.data, options.split, options.protocol)
        run(
            settings,
            lambda stages, seed: training_of(settings, options.base_model, stages, seed, options),
            options.base_model,
            options.seeds,
            options.out,
            options.goals,
        )
    print(table(options.out))


if __name__ == "__main__":
    main()
