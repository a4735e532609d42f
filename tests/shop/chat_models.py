"""Tiny chat models that nobody trained, whose answers are drawn from a few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

END, START, PAD = "<|im_end|>", "<|im_start|>", "<|endoftext|>"
WIDTH = 32


def save_chat_model(
    folder: Path, texts: Sequence[str], answers: Sequence[str], template: str
) -> Path:
    """A model that answers with ``answers``, each of which is one token, about equally often.

    Args:
        folder: where model and tokenizer go.
        texts: what its tokenizer learns words from.
        answers: what it may write; it ends its turn as often as it writes each of them.
        template: of chats.
    """
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=1000,
            special_tokens=[PAD, START, END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    core.add_tokens(list(answers))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=END, pad_token=PAD, chat_template=template
    )
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=8192,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():  # the first number is the same wherever it reads, and chooses answers
        model.get_input_embeddings().weight[:, 0] = 5.0
        read_out = model.get_output_embeddings().weight
        read_out[:, 0] = -2.0
        read_out[tokenizer.convert_tokens_to_ids([*answers, END]), 0] = 2.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
