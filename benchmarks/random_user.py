"""A simulated user of any size on random weights: what it says is noise, its speed is not.

    python benchmarks/random_user.py --device cuda --out runs/random_user
    python benchmarks/simulator.py --simulator runs/random_user/le --device cuda --dtype bfloat16

The shape is that of a Qwen3 model with a small vocabulary; the defaults make 7 billion parameters,
14 GB in bfloat16. The items are the generated world's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from llmrec_env.common.progress import console
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.language.calibration import calibrate
from llmrec_env.language.fitting import FitConfig, untrained_language_environment
from llmrec_env.users.language import EMBEDDED


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=36, help="layers of the language model")
    parser.add_argument("--hidden", type=int, default=4096, help="size of a hidden state")
    parser.add_argument(
        "--intermediate", type=int, default=12288, help="size between the two maps of a layer"
    )
    parser.add_argument("--heads", type=int, default=32, help="of 128 numbers each")
    parser.add_argument("--kv-heads", type=int, default=8, help="heads of keys and values")
    parser.add_argument("--device", default="cpu", help="device of the language model")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/random_user"), help="where results are written"
    )
    given = parser.parse_args()
    base = given.out / "base"
    parameters = make_base(given, base)
    console.print(f"{parameters:,} parameters in {base}")
    split = split_by_user(generate_world(seed=0).log, seed=0)
    model = untrained_language_environment(
        split.train,
        base,
        FitConfig(items="pooled"),
        users=split.test,
        device=given.device,
        dtype="bfloat16",
    )
    calibrate(model, split.validation, 0)
    model.save_pretrained(given.out / "le")
    console.print(f"the simulated user is in {given.out / 'le'}")


def make_base(given: argparse.Namespace, folder: Path) -> int:
    """Save a base model of random weights and the embedded LE's tokenizer; its parameters."""
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED / "base_model")
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=given.hidden,
        intermediate_size=given.intermediate,
        num_hidden_layers=given.layers,
        num_attention_heads=given.heads,
        num_key_value_heads=given.kv_heads,
        head_dim=128,
        max_position_embeddings=1024,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        dtype="bfloat16",
    )
    torch.manual_seed(0)
    with torch.device(given.device):
        model = Qwen3ForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.num_parameters()


if __name__ == "__main__":
    main()
