"""``PromptedUser``: simulated users who answer in words, by a language model behind a server."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray, read_only
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.logistic import sigmoid
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.feedback import FeedbackRange, Source, source_of
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.random_indexing import SIZE, random_indexing
from llmrec_env.language.calibration import Acceptance, logit
from llmrec_env.users.base import Feedback, Histories, HistoryUser, Response
from llmrec_env.users.prompting.asking import Asked, ask_all
from llmrec_env.users.prompting.cache import AnswerCache
from llmrec_env.users.prompting.calibration import calibrated_on, shown_by_chance
from llmrec_env.users.prompting.prompts import Example, Prompter, PromptSettings
from llmrec_env.users.prompting.questions import LIKING, TAKING, Question
from llmrec_env.users.prompting.server import ModelServer

RECENCY = 0.9
"""Weight of an item in the state, relative to the one taken after it."""


class PromptedUser(HistoryUser):
    """Users for whom a prompted language model answers; nothing is learned by gradients.

    The model reads what the user had, with how they liked it where that is known, and is asked two
    questions about an item: how would this person rate it (1 to 5), and would they choose it (yes
    or no). The reward is the expected rating, as a number in [0, 1]. An item is taken with
    probability ``sigmoid(slope * logit(p_yes) + offset)``: the offset gives uniformly shown items
    the stated mean ``accept_rate``, over 64 questions to users of ``log``, asked when the first
    item is shown; the slope is 1 until :meth:`calibrate` learns it from validation users.

    Feedback is read by :meth:`answers` and :meth:`score`; in episodes histories are read without.

    A step costs two questions a user; :meth:`score` asks about liking alone. An answer is kept in a
    file and never asked for twice. What was asked, and what it cost: ``user.server.usage``.

    The state knows nothing of the language model: it is the recency-weighted mean of item vectors
    by random indexing of ``log`` (64 numbers, unit length), cheap and the same for every model.

    Args:
        server: the model that answers.
        log: training users: item vectors and calibration come from them.
        users: whose initial histories start episodes; those of ``log`` where None.
        accept_rate: mean probability of taking a uniformly shown item, a stated prior.
        examples: answers of other people, shown before each question (few-shot), as
            :func:`~llmrec_env.users.prompting.examples.draw_examples` draws them from training
            users.
        settings: how people and items are put into words.
        cache: file in which answers are kept; None: ``answers.sqlite`` in the package's cache
            folder; False: none are kept.

    Raises:
        DataError: ``users`` are of another catalogue than ``log``.
        SimulatorError: ``accept_rate`` is out of range.
    """

    def __init__(
        self,
        server: ModelServer,
        log: InteractionLog,
        users: InteractionLog | None = None,
        accept_rate: float = 0.1,
        examples: Sequence[Example] = (),
        settings: PromptSettings | None = None,
        cache: str | os.PathLike[str] | Literal[False] | None = None,
    ) -> None:
        self.server = server
        self.log = log
        self._range = FeedbackRange.of(log)
        self.catalogue = log.catalogue
        self.state_size = SIZE
        self.users = log if users is None else users
        check_same_catalogue(self.catalogue, self.users.catalogue, "users, for these prompts")
        ordered = log.reading.order not in ("unknown", "shuffled")
        self._prompter = Prompter(self.catalogue, settings or PromptSettings(), examples, ordered)
        self._cache = None if cache is False else AnswerCache(cache)
        self._acceptance: Acceptance | None = None
        self._set_accept_rate(accept_rate)

    @property
    def feedback_source(self) -> Source | None:
        """The column of ``log`` whose values stand in the prompt; None where it has none."""
        return source_of(self.log)

    @property
    def reads_feedback(self) -> bool:
        """Yes: how earlier items were liked stands in the prompt."""
        return True

    @cached_property
    def item_vectors(self) -> FloatArray:
        """Where items lie: :func:`random_indexing` of ``log``, float32 (n_items, 64)."""
        return read_only(random_indexing(self.log))

    def encode(self, histories: Histories, feedback: Feedback | None = None) -> FloatArray:
        """The recency-weighted mean of the items' vectors, unit length, float32 (N, 64)."""
        states = np.zeros((len(histories), SIZE), dtype=np.float32)
        for row, history in enumerate(histories):
            weights = RECENCY ** np.arange(len(history) - 1, -1, -1, dtype=np.float32)
            states[row] = weights @ self.item_vectors[history]
        lengths = np.linalg.norm(states, axis=1, keepdims=True)
        return states / np.maximum(lengths, np.finfo(np.float32).tiny)

    def answer(
        self, histories: Histories, actions: IntArray, feedback: Feedback | None = None
    ) -> Response:
        """How users with these histories answer one item each, int64 (N,)."""
        response = self.answers(histories, np.asarray(actions)[:, None], feedback)
        return Response(response.reward[:, 0], response.accept_probability[:, 0])

    def answers(
        self, histories: Histories, candidates: IntArray, feedback: Feedback | None = None
    ) -> Response:
        """Both answers of users about candidates, all asked at once.

        Args:
            histories: N item arrays, int64, oldest first.
            candidates: int64 (N, C).
            feedback: N float32 arrays beside the histories, in the unit of ``log``, such as stars
                (in [0, 1] where that has none), NaN where unknown.

        Returns:
            float32 (N, C) each.

        Raises:
            SimulatorError: a question failed; names the user, the item and the mend.
        """
        reward = self.score(histories, candidates, feedback)
        taking = self.ask(TAKING, histories, candidates, feedback)
        return Response(reward, self._accept(taking))

    def score(
        self, histories: Histories, candidates: IntArray, feedback: Feedback | None = None
    ) -> FloatArray:
        """Rewards float32 (N, C) of candidates int64 (N, C): the first question alone."""
        return self.ask(LIKING, histories, candidates, feedback)

    def ask(
        self,
        question: Question,
        histories: Histories,
        candidates: IntArray,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        """The expected answers to one question, float32 (N, C) in [0, 1], not calibrated.

        Args:
            question: :data:`~llmrec_env.users.prompting.questions.LIKING` or ``TAKING``.
            histories: N item arrays, int64, oldest first.
            candidates: int64 (N, C).
            feedback: N float32 arrays beside the histories, in the unit of ``log``, such as stars
                (in [0, 1] where that has none), NaN where unknown.
        """
        known = (
            [None] * len(histories) if feedback is None else [*map(self._range.shares, feedback)]
        )
        asked = [
            self._asked(question, row, history, known[row], item)
            for row, history in enumerate(histories)
            for item in candidates[row].tolist()
        ]
        return ask_all(self.server, self._cache, asked).reshape(candidates.shape)

    def calibrate(
        self, validation: InteractionLog, pairs: int = 200, seed: int = 0
    ) -> PromptedUser:
        """The same users, whose chance of taking is calibrated on validation users.

        Platt's logistic fit of the next item that a validation user took against a
        popularity-matched one that they never saw, with the level from ``accept_rate``: three
        questions a pair.

        Args:
            validation: users whom nothing else was learned from.
            pairs: steps of theirs that are read, at most.
            seed: of the steps and of the items beside them.
        """
        check_same_catalogue(self.catalogue, validation.catalogue, "validation")
        simulator = copy.copy(self)
        simulator._acceptance = calibrated_on(self._ask_taking, validation, pairs, seed)
        return simulator

    def _set_accept_rate(self, accept_rate: float) -> None:
        if not 0 < accept_rate < 1:
            raise SimulatorError(f"accept_rate must lie between 0 and 1, got {accept_rate}")
        self.accept_rate = accept_rate

    def _accept(self, taking: FloatArray) -> FloatArray:
        if self._acceptance is None:
            self._acceptance = shown_by_chance(self._ask_taking, self.log)
        acceptance = self._acceptance
        z = acceptance.slope * logit(taking) + acceptance.offset(self.accept_rate)
        return sigmoid(z).astype(np.float32)

    def _ask_taking(self, histories: Histories, candidates: IntArray) -> FloatArray:
        return self.ask(TAKING, histories, candidates)

    def _asked(
        self, question: Question, row: int, history: IntArray, liked: FloatArray | None, item: int
    ) -> Asked:
        return Asked(
            question,
            lambda: self._prompter.messages(question, history, liked, item),
            lambda: (
                f"user {row} of those asked, item {self.catalogue.ids[item]!r}, {question.name}: "
                f"{self.server.model} at {self.server.base_url or 'OpenAI'}"
            ),
        )
