"""Does a learned reward agree with the shop's own, on products that it never saw?

Judged are purchases for the test goals (split by product): the right product with all, some and no
options, hits, any product. Beside the language reward stand controls without a language model: the
share of the instruction's words found in the purchase, and a logistic regression on what the marks
say (shares of words in title, chosen values and texts; limits kept). One line a judge and a kind of
purchases: Spearman, AUC of success, and the share of pairs for one instruction in the right order.

    python benchmarks/shop_reward.py --catalogue path/to/webshop --reward webshop
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from agents.shop.reward.language_reward import LanguageReward
from agents.shop.reward.learning import RewardLearningConfig, fit_language_reward
from agents.shop.reward.model import MARKS, RewardModelConfig, marked_texts, shared_words
from agents.shop.reward.purchases import JudgedPurchase, agreement, judged_purchases
from agents.shop.shop_pool import shop_of
from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.help import HelpFormatter

HITS = ("first hit", "other hit")


def main(args: argparse.Namespace) -> None:
    """Learn from training goals, judge purchases for test goals."""
    settings = {
        "catalogue": args.catalogue,
        "reward": args.reward,
        "split_by": "product",
        "goals_per_product": 10,
        "goal_seed": args.goal_seed,
    }
    learned = judged_purchases(shop_of({**settings, "split": "train"}))
    test = judged_purchases(shop_of({**settings, "split": "test"}))
    scores = {
        "shared words": np.array([shared_words(one.instruction, one.purchase) for one in test]),
        "logistic regression on the marks": regression(learned, test),
    }
    rules: dict[str, LanguageReward] = {}
    sure = dict(scores)
    sure["logistic regression on the marks"] = regression(learned, test, success=True)
    for name, marks, base in (
        ("LM from scratch", True, None),
        ("LM from scratch, no marks", False, None),
        ("LoRA on the base model", True, args.base_model),
    ):
        if name in args.skip or (base is None and name.startswith("LoRA")):
            continue
        start, busy = time.perf_counter(), time.process_time()
        learning = RewardLearningConfig(steps=args.steps, seed=args.seed)
        config = RewardModelConfig(marks=marks)
        rules[name] = fit_language_reward(settings, base, config, learning)
        took, used = time.perf_counter() - start, time.process_time() - busy
        print(f"{name}: learned in {took:.0f} s, of them {used:.0f} s on a processor")
        instructions, purchases = zip(*((o.instruction, o.purchase) for o in test), strict=True)
        scores[name], sure[name] = rules[name].predict(instructions, purchases).T
        print(sureness(name, rules[name], sure[name], test))
    hits = np.array([one.kind in HITS for one in test])
    for title, rows in (("all purchases", ~np.zeros_like(hits)), ("hits alone", hits)):
        chosen = [one for one, taken in zip(test, rows, strict=True) if taken]
        for name, values in scores.items():
            a = agreement(values[rows], chosen, sure[name][rows])
            shown = f"Spearman {a.spearman:.3f}  AUC {a.auc:.3f}  pairs {a.pairs:.3f}"
            print(f"{title:14} {name:34} {shown}  ({a.n}, {a.n_success} successes)")
    if args.save is not None and rules:
        next(iter(rules.values())).save(args.save)


def sureness(
    name: str, rule: LanguageReward, predicted: Float64Array, test: Sequence[JudgedPurchase]
) -> str:
    """What the threshold, set on validation purchases, does on the test purchases."""
    success = np.array([one.reward == 1.0 for one in test])
    if rule.threshold is None:
        return f"{name}: no threshold"
    sure = predicted >= rule.threshold
    precision = success[sure].mean() if sure.any() else float("nan")
    recall = sure[success].mean()
    validation = rule.record["threshold"]
    return (
        f"{name}: threshold {rule.threshold:.3f}; precision {precision:.2f}, recall {recall:.2f} "
        f"(validation {validation['precision']:.2f}, {validation['recall']:.2f})"
    )


def regression(
    learned: Sequence[JudgedPurchase], test: Sequence[JudgedPurchase], success: bool = False
) -> Float64Array:
    """Logits of a logistic regression on the marks, fitted to the rewards or to success."""
    worth = [float(one.reward == 1.0) if success else one.reward for one in learned]
    x, y = torch.tensor(shares(learned)), torch.tensor(worth)
    weights = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(x @ weights, y.to(x.dtype))
        value.backward()
        return value

    optimizer.step(loss)
    return (torch.tensor(shares(test)) @ weights.detach()).numpy()


def shares(judged: Sequence[JudgedPurchase]) -> Float64Array:
    """The share of characters with each mark, of the purchase and of the instruction, and 1."""
    rows = []
    for one in judged:
        bought, wanted = marked_texts(one.instruction, one.purchase)
        values = bought.options.mean(0) if len(bought.options) else np.ones(len(MARKS))
        rows.append([*bought.marks.mean(0), *values, *wanted.marks.mean(0), 1.0])
    return np.array(rows, dtype=np.float64)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--catalogue", help="folder with the public WebShop files")
    parser.add_argument("--reward", default="repaired", help="repaired or webshop")
    parser.add_argument("--base-model", help="a causal LM by hub name or folder, for LoRA")
    parser.add_argument(
        "--steps", type=int, default=RewardLearningConfig.steps, help="steps of learning"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    parser.add_argument(
        "--goal-seed", type=int, default=0, help="seed of the goals' prices and limits"
    )
    parser.add_argument("--skip", action="append", default=[], help="a judge to leave out")
    parser.add_argument("--save", type=Path, help="folder for the first language reward")
    main(parser.parse_args())
