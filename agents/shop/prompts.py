"""Prompts of the causal LM policy: page and actions as tokens, packed into one forward pass.

A prompt is a page of ``observation="prompt"``, a completion an action's text and the end token.
Where the tokenizer has a chat template, :data:`MANUAL` is the system's message, the page the
user's and the action the assistant's; else ``"Action:"`` follows the page. Playing, learning and
answering freely all take their tokens from here, so they cannot differ. Texts of the catalogue come
from strangers: no token that steers the model, such as its end token, is ever read out of them.

A batch is packed so that each prompt is read once for all its completions. Each row is a prompt,
padded on the left so that all end in the same column, and its completions one after the other. A
completion sees the prompt and its own beginning, and its positions go on from the prompt's end, as
if it stood there alone:

    .. P P P | a a | b b b | c ..        a, b, c: completions without their last tokens
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jinja2
import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from agents.shop.shop_pool import ShopObservation
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.text.budget import Pieces, shortened

MANUAL = "You shop. Answer with one action of the page."
ASK = "Action:\n"
KEPT_LINES = 65_536
"""Lines whose tokens are kept; all go when there are more."""

PADDING = -1


class Prompts:
    """Turns observations and actions into tokens.

    A page comes cut by the environment: ``gym.make(…, **prompts.view)`` counts the tokens of this
    tokenizer. Of one that is longer still, and of an action that is too long, the middle goes.

    Args:
        tokenizer: of the language model.
        prompt_tokens: length of a page at most; action_tokens: of a completion.

    Attributes:
        view: arguments of the environment, by which it cuts pages.
        frame_tokens: tokens of a prompt beside the page's.

    Raises:
        SettingError: a limit is too small to say anything, or the tokenizer does not tell where in
            a text its tokens stand.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, prompt_tokens: int, action_tokens: int
    ) -> None:
        if prompt_tokens < 32 or action_tokens < 4:
            raise SettingError(
                f"prompt_tokens={prompt_tokens} and action_tokens={action_tokens} leave no room; "
                "they must be at least 32 and 4"
            )
        self._tokenizer = tokenizer
        self._prompt_tokens = prompt_tokens
        self._action_tokens = action_tokens
        added = sorted((t for t in tokenizer.get_added_vocab() if t.strip()), key=len)[::-1]
        self._steering = re.compile("|".join(map(re.escape, added))) if added else None
        self._kept: dict[str, list[int]] = {}
        self._head, self._tail = self._frame()
        self.frame_tokens = len(self._head) + len(self._tail)
        self.view = {"prompt_tokens": prompt_tokens, "pieces": token_pieces(tokenizer)}

    def prompt(self, observation: ShopObservation) -> list[int]:
        """Token ids of what comes before an action.

        Args:
            observation: its content is a page of the form ``"prompt"``.
        """
        lines = self._encode([f"{line}\n" for line in observation.content.split("\n")])
        page = shortened([token for line in lines for token in line], self._prompt_tokens)
        return [*self._head, *page, *self._tail]

    def actions(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each action and the end token, at most ``action_tokens`` of them."""
        stop = self._tokenizer.eos_token_id
        end = [stop] if stop is not None else []
        limit = self._action_tokens - len(end)
        return [shortened(ids, limit) + end for ids in self._encode(texts)]

    def _frame(self) -> tuple[list[int], list[int]]:
        """Token ids of what stands before a page, and after it."""
        if not self._tokenizer.chat_template:
            start = self._tokenizer.bos_token_id
            return ([start] if start is not None else []), self._encode([ASK])[0]
        page = "a page"
        system = {"role": "system", "content": MANUAL}
        try:
            text = self._chat([system, {"role": "user", "content": page}])
        except jinja2.TemplateError:  # it knows no system
            text = self._chat([{"role": "user", "content": f"{MANUAL}\n\n{page}"}])
        ends = text.rsplit(page, 1)
        return tuple(self._tokenizer(end, add_special_tokens=False)["input_ids"] for end in ends)

    def _chat(self, messages: list[dict[str, str]]) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        )

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, read as nothing but text."""
        if len(self._kept) > KEPT_LINES:
            self._kept.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._kept]
        if new:
            rows = self._tokenizer(
                [self._harmless(text) for text in new],
                add_special_tokens=False,
                split_special_tokens=True,
            )
            self._kept.update(zip(new, rows["input_ids"], strict=True))
        return [self._kept[text] for text in texts]

    def _harmless(self, text: str) -> str:
        """The text with a space inside everything that the tokenizer would take as one token.

        ``split_special_tokens`` spares special tokens only, not others that were added.
        """
        if self._steering is None:
            return text
        return self._steering.sub(_torn, text)


def token_pieces(tokenizer: PreTrainedTokenizerBase) -> Pieces:
    """Splits texts into the tokens of a language model, for ``gym.make(…, pieces=…)``.

    Raises:
        SettingError: the tokenizer does not tell where in a text its tokens stand.
    """
    if not tokenizer.is_fast:
        raise SettingError(
            f"pieces: {type(tokenizer).__name__} does not tell where its tokens stand; use the "
            "fast tokenizer (AutoTokenizer gives it)"
        )
    return partial(_split, tokenizer)


def _split(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    """A text in as many pieces as it has tokens, one where it has none; a character of several is
    in the first."""
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    starts = [0, *(start for start, _ in read["offset_mapping"][1:])]
    ends = [*starts[1:], len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _torn(match: re.Match[str]) -> str:
    return f"{match[0][0]} {match[0][1:]}" if len(match[0]) > 1 else " "


class Packed(NamedTuple):
    """A batch of N rows, L columns, T completion tokens in all.

    Attributes:
        ids: int64 (N, L).
        positions: int64 (N, L).
        allowed: bool (N, L, L), whether a token may read another; padding reads itself.
        tail: the number of columns after the prompts.
        rows, columns: int64 (T,), where each completion token is predicted; columns count from the
            prompts' last one.
        targets: int64 (T,), the completion tokens.
        owners: int64 (T,), which completion of the batch each belongs to, by place: row * A + i,
            where A is the largest number of completions of a row.
    """

    ids: Tensor
    positions: Tensor
    allowed: Tensor
    tail: int
    rows: Tensor
    columns: Tensor
    targets: Tensor
    owners: Tensor


def pack(
    prompts: Sequence[list[int]],
    completions: Sequence[list[list[int]]],
    device: torch.device | str = "cpu",
) -> Packed:
    """Lay out a batch.

    Args:
        prompts: token ids of each row's prompt, one or more.
        completions: of each row, token ids of each of its completions, one or more.
        device: where the tensors go.
    """
    head = max(map(len, prompts))
    tail = max(sum(len(c) - 1 for c in row) for row in completions)
    most = max(map(len, completions))
    shape = len(prompts), head + tail
    ids, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    part = np.full(shape, PADDING, np.int64)  # 0 the prompt, i + 1 the i-th completion
    targets: list[tuple[int, int, int, int]] = []
    for row, (prompt, own) in enumerate(zip(prompts, completions, strict=True)):
        n = len(prompt)
        ids[row, head - n : head] = prompt
        positions[row, head - n : head] = np.arange(n)
        part[row, head - n : head] = 0
        at = head
        for i, tokens in enumerate(own):
            inner = slice(at, at + len(tokens) - 1)
            ids[row, inner] = tokens[:-1]
            positions[row, inner] = np.arange(n, n + len(tokens) - 1)
            part[row, inner] = i + 1
            owner = row * most + i
            targets.append((row, 0, tokens[0], owner))
            targets += [(row, at - head + k, token, owner) for k, token in enumerate(tokens[1:], 1)]
            at += len(tokens) - 1
    where = torch.tensor(targets, dtype=torch.int64, device=device).T
    return Packed(
        torch.from_numpy(ids).to(device),
        torch.from_numpy(positions).to(device),
        _allowed(torch.from_numpy(part).to(device)),
        tail,
        *where,
    )


def _allowed(part: Tensor) -> Tensor:
    """Which token may read which, from the part of the row that each belongs to, int64 (N, L)."""
    place = torch.arange(part.shape[1], device=part.device)
    query, key = part[:, :, None], part[:, None, :]
    mask = (place[:, None] >= place) & ((key == 0) | (key == query)) & (key != PADDING)
    return mask | (place[:, None] == place)  # no softmax is over nothing
