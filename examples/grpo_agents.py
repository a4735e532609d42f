"""GRPO trains a language model to shop, or to recommend, with TRL's trainer.

    python examples/grpo_agents.py --model Qwen/Qwen2.5-0.5B-Instruct --steps 100 --out runs/grpo

The model calls tools. One that cannot writes its actions in the text of its answers (--answers
text). With --task recommend, the simulated user judges: one token of its language model a
recommendation. You see a line a step; the trained model, or its adapter, is kept in --out. Needs
the extras "trl" and "shop".
"""

import argparse
from functools import partial

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoConfig, PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from agents.text_rollouts import TextRollouts
from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.help import HelpFormatter
from llmrec_env.envs.language_agents import (
    RecommendLoop,
    RecommendTools,
    ShopTools,
    TextLoop,
    goal_rows,
    user_rows,
)
from llmrec_env.language.lm.source import check_source, loading


def shop_settings(args):
    """Which shop."""
    number = args.catalogue is not None and args.catalogue.isdecimal()
    return {"catalogue": int(args.catalogue) if number else args.catalogue, "split": "train"}


def with_tools(args):
    """Environments whose methods are tools, and a data set for them."""
    if args.task == "recommend":
        recommending = {"max_calls": args.turns, "max_recommended": args.recommended}
        rows = user_rows(args.goals, max_calls=args.turns)
        return {"environment_factory": partial(RecommendTools, **recommending)}, rows
    shop = shop_settings(args)
    rows = goal_rows(args.goals, max_calls=args.turns, **shop)
    return {"environment_factory": partial(ShopTools, max_calls=args.turns, **shop)}, rows


def with_texts(args):
    """Loops of texts, and a data set for them."""
    if args.task == "recommend":
        make = partial(RecommendLoop, max_steps=args.turns, max_recommended=args.recommended)
        resets = [{"seed": seed} for seed in range(args.goals)]
    else:
        make = partial(TextLoop, max_steps=args.turns, **shop_settings(args))
        resets = [{"goal": goal} for goal in range(args.goals)]
    rollouts = TextRollouts(make, args.answer_tokens)
    return {"rollout_func": rollouts, "reward_funcs": rollouts.reward}, rollouts.rows(resets)


def check_model(name):
    """Leave with one line where there is no such model."""
    try:
        with loading(name, "chat model"):
            AutoConfig.from_pretrained(name, **check_source(name))
    except LLMRecError as error:
        raise SystemExit(f"--model: {error}") from None


class Lines(TrainerCallback):
    """Prints what each step earned."""

    def on_log(self, args, state, control, logs=None, **more):
        if "reward" in logs:
            calls = logs.get("tools/call_frequency")
            told = "" if calls is None else f"  calls {calls:.1f}"
            failed = logs.get("tools/failure_frequency")
            told += "" if failed is None else f", of which failed {failed:.0%}"
            print(
                f"step {state.global_step}  reward {logs['reward']:.3f}"
                f"  tokens {logs['completions/mean_length']:.0f}{told}"
            )


def main(args):
    """Train."""
    check_model(args.model)
    environments, rows = (with_tools if args.answers == "tools" else with_texts)(args)
    gpu = torch.cuda.is_available()
    config = GRPOConfig(
        output_dir=args.out,
        max_steps=args.steps,
        num_generations=args.generations,
        per_device_train_batch_size=args.generations,
        max_completion_length=args.completion_tokens,
        learning_rate=args.learning_rate,
        temperature=1.0,
        seed=args.seed,
        bf16=gpu,
        use_cpu=not gpu,
        gradient_checkpointing=gpu,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    lora = LoraConfig(r=args.lora, lora_alpha=2 * args.lora, target_modules="all-linear")
    trainer = GRPOTrainer(
        model=args.model,
        args=config,
        train_dataset=Dataset.from_list(rows),
        peft_config=lora if args.lora else None,
        callbacks=[Lines()],
        **environments,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.model.save_pretrained(args.out)
    trainer.processing_class.save_pretrained(args.out)
    print(f"saved in {args.out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--model", required=True, help="a chat model: a name of the hub, a folder")
    parser.add_argument(
        "--task", choices=["shop", "recommend"], default="shop", help="what the model learns"
    )
    parser.add_argument(
        "--answers",
        choices=["tools", "text"],
        default="tools",
        help="how the model acts: calls of tools, or actions in its text",
    )
    parser.add_argument("--steps", type=int, default=100, help="steps of training")
    parser.add_argument("--generations", type=int, default=8, help="episodes of one goal")
    parser.add_argument("--goals", type=int, default=500, help="goals, or users, to learn from")
    parser.add_argument("--catalogue", help="folder of a catalogue, or a number to generate")
    parser.add_argument("--turns", type=int, default=15, help="calls or answers of an episode")
    parser.add_argument("--recommended", type=int, default=5, help="items shown in an episode")
    parser.add_argument("--answer-tokens", type=int, default=48, help="of one answer in text")
    parser.add_argument("--completion-tokens", type=int, default=2048, help="of an episode")
    parser.add_argument("--learning-rate", type=float, default=1e-5, help="peak learning rate")
    parser.add_argument("--lora", type=int, default=16, help="rank; 0 learns all weights")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    parser.add_argument("--out", default="runs/grpo", help="where results are written")
    main(parser.parse_args())
