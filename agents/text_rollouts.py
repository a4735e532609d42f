"""``TextRollouts``: episodes of a loop of texts as ``rollout_func`` of TRL's ``GRPOTrainer``.

For models that call no tools: the model writes whole answers, the environment answers with pages.
Group-relative policy optimisation (GRPO, arXiv 2402.03300) then weighs the model's own tokens alone
by how much more an episode earned than the others with the same goal.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch

from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require

PLACE = "\x00answer\x00"
"""Stands for an answer where the template's words around one are looked up."""


class Loop(Protocol):
    """``TextLoop`` or ``RecommendLoop``."""

    manual: str

    def reset(self, **row: Any) -> tuple[str, dict[str, Any]]: ...

    def step(self, answer: str) -> tuple[str, float, bool, bool, dict[str, Any]]: ...


class TextRollouts:
    """Plays an episode for each prompt, all of a batch a turn at a time.

    Args:
        make_loop: makes a loop, such as ``partial(TextLoop, split="train")``. Loops are kept.
        answer_tokens: of one answer, at most.

    An episode also ends where the next page would make it longer than the trainer's
    ``max_completion_length``.

    Raises:
        SettingError: an argument is out of range.
    """

    def __init__(self, make_loop: Callable[[], Loop], answer_tokens: int = 48) -> None:
        self._make_loop = make_loop
        self._answer_tokens = check_whole("answer_tokens", answer_tokens, 1)
        self._loops: list[Loop] = []

    def rows(self, resets: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of a data set: ``datasets.Dataset.from_list(rollouts.rows({"goal": g} for g in
        range(100)))``.

        Args:
            resets: keywords of each episode's ``reset``.

        Returns:
            ``prompt``: one message, with the manual and the first page; it keeps the keywords.
        """
        (loop,) = self._of(1)
        return [
            {
                "prompt": [
                    {
                        "role": "user",
                        "content": f"{loop.manual}\n\n{loop.reset(**row)[0]}",
                        "reset": dict(row),
                    }
                ]
            }
            for row in resets
        ]

    @staticmethod
    def reward(completions: Sequence[Any], earned: Sequence[float], **_: Any) -> list[float]:
        """The one of ``reward_funcs``: what the episodes earned."""
        return list(earned)

    def __call__(self, prompts: list[list[dict[str, Any]]], trainer: Any) -> dict[str, Any]:
        """Play.

        Args:
            prompts: of :meth:`rows`, each as often as it is to be answered.
            trainer: whose model answers.

        Returns:
            ``prompt_ids``, ``completion_ids`` (answers and pages), ``env_mask`` (1 where the token
            is the model's), ``logprobs`` (None: the trainer computes them) and ``earned``.

        Raises:
            SettingError: a prompt has no keywords of ``reset``.
        """
        plays = [
            Play(loop, prompt, trainer.processing_class, trainer.max_completion_length)
            for loop, prompt in zip(self._of(len(prompts)), prompts, strict=True)
        ]
        while going := [play for play in plays if play.goes_on]:
            tokens = [play.prompt + play.completion for play in going]
            for play, answer in zip(going, self._answers(tokens, trainer), strict=True):
                play.step(answer)
        return {
            "prompt_ids": [play.prompt for play in plays],
            "completion_ids": [play.completion for play in plays],
            "env_mask": [play.mask for play in plays],
            "logprobs": None,
            "earned": [play.earned for play in plays],
        }

    def _of(self, n: int) -> list[Loop]:
        while len(self._loops) < n:
            self._loops.append(self._make_loop())
        return self._loops[:n]

    def _answers(self, prompts: list[list[int]], trainer: Any) -> list[list[int]]:
        """What the model writes after each prompt, the end of its turn included."""
        pad, longest = trainer.processing_class.pad_token_id, max(map(len, prompts))
        ids = torch.tensor([[pad] * (longest - len(own)) + own for own in prompts])
        mask = torch.tensor([[0] * (longest - len(own)) + [1] * len(own) for own in prompts])
        config = copy.deepcopy(trainer.generation_config)
        config.max_new_tokens = self._answer_tokens
        unwrap = require("trl.models", "trl").unwrap_model_for_generation
        with torch.no_grad(), unwrap(trainer.model_wrapped, trainer.accelerator) as model:
            written = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                generation_config=config,
            )
        ends = trainer.processing_class.eos_token_id
        return [_to_the_end(row, ends) for row in written[:, longest:].tolist()]


class Play:
    """One episode in tokens.

    Args:
        loop: the environment.
        prompt: of :meth:`TextRollouts.rows`.
        tokenizer: with a chat template.
        room: tokens of all answers and pages at most.

    Attributes:
        prompt, completion: token ids; mask: 1 where a token of the completion is the model's.
        earned: rewards so far.
        goes_on: whether another answer is asked for.
    """

    def __init__(self, loop: Loop, prompt: list[dict[str, Any]], tokenizer: Any, room: int) -> None:
        row = prompt[-1].get("reset")
        if row is None:
            raise SettingError('a prompt has no "reset": make the data set with rows()')
        self._loop, self._tokenizer, self._room = loop, tokenizer, room
        loop.reset(**{name: value for name, value in row.items() if value is not None})
        self.prompt: list[int] = tokenizer.apply_chat_template(
            prompt, add_generation_prompt=True, tokenize=True, return_dict=False
        )
        self.completion: list[int] = []
        self.mask: list[int] = []
        self.earned, self.goes_on = 0.0, True

    def step(self, answer: list[int]) -> None:
        """Do what an answer names, and read the next page where there is room for it."""
        self._add(answer, 1)
        said = self._tokenizer.decode(answer, skip_special_tokens=True)
        page, reward, terminated, truncated, _ = self._loop.step(said)
        self.earned += reward
        self.goes_on = not (terminated or truncated)
        if self.goes_on:
            turn = self._turn(page)
            ended = answer[-1:] == [self._tokenizer.eos_token_id] == turn[:1]
            turn = turn[1:] if ended else turn
            self.goes_on = len(self.completion) + len(turn) < self._room
            if self.goes_on:
                self._add(turn, 0)

    def _add(self, tokens: list[int], own: int) -> None:
        self.completion += tokens
        self.mask += [own] * len(tokens)

    def _turn(self, page: str) -> list[int]:
        """What the chat template writes between an answer and the next."""
        chat = [("user", "."), ("assistant", PLACE), ("user", page)]
        text = self._tokenizer.apply_chat_template(
            [{"role": role, "content": said} for role, said in chat],
            add_generation_prompt=True,
            tokenize=False,
        )
        after: str = text.split(PLACE, 1)[1]
        tokens: list[int] = self._tokenizer(after, add_special_tokens=False)["input_ids"]
        return tokens


def _to_the_end(tokens: list[int], end: int) -> list[int]:
    return tokens[: tokens.index(end) + 1] if end in tokens else tokens
