"""``WritingShopper``: a causal LM policy that writes its answers instead of choosing an action."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from agents.shop.causal_lm import CausalLMPolicy
from agents.shop.shop_pool import ShopObservation
from llmrec_env.envs.text.answers import read_answer

AT_ONCE = 16
"""Answers that are written at once."""


class WritingShopper:
    """Generates a text for each prompt and does what it names.

    The text is read by :func:`llmrec_env.envs.text.answers.read_answer`; one that names no action
    is handed to the shop as it is, which reports it as invalid. Nothing keeps it to what stands on
    the page, and it searches in words of its own.

    Args:
        policy: whose model and prompts.

    Attributes:
        policy: the same.
        view: by which the environment cuts pages for it.
    """

    observation = "prompt"
    action_mode = "text"

    def __init__(self, policy: CausalLMPolicy) -> None:
        self.policy = policy
        self.view = policy.view

    def act(
        self, observations: Sequence[ShopObservation], rng: np.random.Generator | None = None
    ) -> list[str]:
        """The action that each answer names; with ``rng`` answers are drawn, else the likeliest
        word follows each."""
        prompts = [self.policy.prompts.prompt(one) for one in observations]
        order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        written = [""] * len(prompts)
        for first in range(0, len(order), AT_ONCE):
            rows = order[first : first + AT_ONCE]
            answers = self._write([prompts[row] for row in rows], rng)
            for row, answer in zip(rows, answers, strict=True):
                written[row] = read_answer(answer) or answer
        return written

    @torch.no_grad()
    def _write(self, prompts: list[list[int]], rng: np.random.Generator | None) -> list[str]:
        policy, tokenizer = self.policy, self.policy.tokenizer
        end = tokenizer.eos_token_id
        filler = end if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        width = max(map(len, prompts))
        rows = [[filler] * (width - len(prompt)) + prompt for prompt in prompts]
        real = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        device = policy.value.weight.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            if rng is not None:
                torch.manual_seed(int(rng.integers(2**63)))
            ids = policy.lm.generate(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(real, device=device),
                max_new_tokens=policy.config.action_tokens,
                do_sample=rng is not None,
                temperature=None if rng is None else 1.0,
                top_p=None,
                top_k=None if rng is None else 0,
                eos_token_id=end,
                pad_token_id=filler,
            )
        texts: list[str] = tokenizer.batch_decode(ids[:, width:], skip_special_tokens=True)
        return texts
