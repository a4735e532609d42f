"""``LanguageUser``: simulated users who answer by an LE, one token a step."""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import torch

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray, read_only
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.logistic import sigmoid
from llmrec_env.common.nearest import EXACT_ITEMS, VectorIndex
from llmrec_env.common.top_k import Pairs, leave_out
from llmrec_env.data.catalogue import Catalogue, check_same_catalogue
from llmrec_env.data.feedback import FeedbackScale, Source
from llmrec_env.data.histories import check_candidates, check_histories
from llmrec_env.data.log import InteractionLog, check_log
from llmrec_env.data.sessions import Wanted
from llmrec_env.data.visits import Visits
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.calibration import Acceptance, logit
from llmrec_env.language.decoding import Decoder, check_reads_skips
from llmrec_env.language.labelling import answer_candidates, branch_log, check_items, label_log
from llmrec_env.language.leaving import Leaving
from llmrec_env.language.lm.null import NullLM
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.base import (
    Branches,
    Feedback,
    Histories,
    Labels,
    Response,
    Session,
    UserSimulator,
    states_within,
)
from llmrec_env.users.origin import EMBEDDED, Origin

ACCEPT_RATE = 0.1
"""Mean probability of taking a uniformly shown item, where no log says it."""
COMPUTED = ("le", "_index", "_labels")
"""Attributes of a user that are computed when they are needed."""


class LanguageUser(UserSimulator):
    """Users who answer as the LE says: liking from its reward model, taking as calibrated.

    Where the LE has members (:mod:`llmrec_env.language.member_learning`), each of them answers, by
    one pass of the language model: what they answer in the mean is what these users answer.

    They can be pickled: users that :meth:`from_pretrained` loaded by the path of the folder and its
    fingerprint, which the folder must still have where they are unpickled, others with all their
    tensors.

    Args:
        model: a learned LE; see :func:`llmrec_env.language.fitting.fit_language_environment`.
        users: whose initial histories start episodes; those saved with the LE where None.
        accept_rate: mean probability of taking a uniformly shown item. None: what the log says,
            where it tells what was shown and not taken, else :data:`ACCEPT_RATE`, a stated prior.
        remember_skips: whether items that are shown and not taken are read as well: each becomes a
            token of the history that says so.

    Raises:
        SimulatorError: the LE's acceptance was never calibrated, ``accept_rate`` is out of range,
            or skips are to be remembered by an LE that never learned what they say.
    """

    # None where an LE without users was given none; environments refuse that by name
    users: InteractionLog

    def __init__(
        self,
        model: LanguageEnvironment,
        users: InteractionLog | None = None,
        accept_rate: float | None = None,
        remember_skips: bool = False,
    ) -> None:
        saved = model.record.get("acceptance")
        if saved is None:
            raise SimulatorError(
                "this LE has no calibrated acceptance: learn it with `llmrec fit`, or call "
                "llmrec_env.language.calibration.calibrate(model, validation_log)"
            )
        self.model = model
        self._origin: Origin | None = None
        self.catalogue = model.catalogue
        self.state_size = model.state_size
        self.users = users if users is not None else model.users  # type: ignore[assignment]
        if users is not None:
            check_same_catalogue(model.catalogue, users.catalogue, "users, for this LE")
        self._labels: WeakKeyDictionary[InteractionLog, Labels] = WeakKeyDictionary()
        self._leaving = Leaving.of(model.record)
        self._acceptance = Acceptance(saved["slope"], tuple(saved["shown"]), saved.get("rate"))
        known = ACCEPT_RATE if self._acceptance.rate is None else self._acceptance.rate
        self._set_accept_rate(known if accept_rate is None else accept_rate)
        self._set_remember_skips(remember_skips)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike[str],
        accept_rate: float | None = None,
        device: str | torch.device = "cpu",
        dtype: str | torch.dtype = "auto",
        remember_skips: bool = False,
    ) -> LanguageUser:
        """Load the users of an LE that ``save_pretrained`` wrote; its adapter is folded in.

        Args:
            folder: the saved LE.
            accept_rate: mean probability of taking a uniformly shown item; None as for the class.
            device: where it is to run.
            dtype: in which the language model computes, or its name; "auto" is bfloat16 on a GPU
                that computes in it, else float32.
            remember_skips: whether items that are shown and not taken are read as well.
        """
        origin = Origin.of(folder, device, dtype)
        model = LanguageEnvironment.from_pretrained(folder, device, dtype, fold=True)
        users = cls(model, accept_rate=accept_rate, remember_skips=remember_skips)
        users._origin = origin
        return users

    def __copy__(self) -> LanguageUser:
        """The same users on the same model."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: a loaded LE by its origin, and nothing that can be computed."""
        state = {name: value for name, value in self.__dict__.items() if name not in COMPUTED}
        if self.users is self.model.users:
            del state["users"]
        if self._origin is not None:
            del state["model"], state["catalogue"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Load the LE again where it was not pickled itself."""
        self.__dict__.update(state)
        if self._origin is not None:
            self.model = self._origin.open()
            self.catalogue = self.model.catalogue
        if "users" not in state:
            self.users = self.model.users  # type: ignore[assignment]
        self._labels = WeakKeyDictionary()

    @property
    def folder(self) -> Path | None:
        """The folder from which they were loaded; None where they were not."""
        return None if self._origin is None else self._origin.place

    @property
    def asks_language_model(self) -> bool:
        """Whether the LE has a language model; False where it is a bag of items."""
        return not isinstance(self.model.backend, NullLM)

    @property
    def n_members(self) -> int:
        """How many members the LE has; 1 where its heads alone answer."""
        return 1 if self.model.members is None else self.model.members.count

    @property
    def leaving(self) -> Leaving | None:
        """When users leave, as the sessions of the log taught it; None where it told none."""
        return self._leaving

    @property
    def tells_leaving(self) -> Literal["taken", "shown"] | None:
        """After which items it is known how probably a user leaves."""
        return None if self._leaving is None else self._leaving.after

    @property
    def sessions(self) -> Wanted:
        """What told the sessions of the log from which leaving was learned."""
        return "none" if self._leaving is None else self._leaving.told

    def leave_chance(self, session: Session, visits: Visits) -> Float64Array:
        """How probably each user leaves, by what the session has been like alone.

        Raises:
            SimulatorError: the log told no sessions.
        """
        if self._leaving is None:
            return super().leave_chance(session, visits)
        return self._leaving.chance(visits)

    @property
    def remember_skips(self) -> bool:
        """Whether items that are shown and not taken are read as well."""
        return self._remember_skips

    def with_remember_skips(self, remember_skips: bool) -> LanguageUser:
        """The same users, who remember what they skip in an episode, or do not.

        Raises:
            SimulatorError: the LE never learned what a skip says.
        """
        simulator = copy.copy(self)
        simulator._set_remember_skips(remember_skips)
        return simulator

    def add_items(
        self, items: Catalogue, encoder: str | os.PathLike[str] | None = None
    ) -> LanguageUser:
        """The same users, who also answer about new items, known by their texts alone.

        Nothing is learned. The catalogue of the result is this one followed by the new items, so
        the actions of known items stay what they are; how acceptance was calibrated stays too, and
        ``model.record["added_items"]`` says how many items were added. Save it with
        ``model.save_pretrained``; loaded again, it answers as fast as before.

        Args:
            items: new items, each with an id of its own and a text.
            encoder: where the sentence encoder that read the LE's items is now, if it moved.

        Raises:
            DataError: an item is known already, or has no text.
            SimulatorError: the LE does not say how its items were read, or what read them is gone.
            LLMRecError: what read them cannot be loaded.
        """
        from llmrec_env.language.added_items import with_items

        model = with_items(self.model, items, encoder)
        own = None
        if self.users is not None and self.users is not self.model.users:
            own = replace(self.users, catalogue=model.catalogue)
        return LanguageUser(model, own, self.accept_rate, self.remember_skips)

    def for_catalogue(
        self,
        items: Catalogue,
        encoder: str | os.PathLike[str] | None = None,
        feedback: FeedbackScale | None = None,
    ) -> LanguageUser:
        """Users of another catalogue, whose items the LE never met, by their texts alone.

        The items that it knows are left out, and its users with them: give
        :meth:`~llmrec_env.users.base.UserSimulator.with_users` others for initial histories. From
        a few users of the new catalogue :func:`llmrec_env.language.learning.learn` goes on.

        Args:
            items: the whole other catalogue.
            encoder: as for :meth:`add_items`.
            feedback: how feedback about these items is put into numbers, where the LE reads any,
                such as ``FeedbackScale("rating", mean=3.5, sd=1)`` for stars; None: in the unit of
                the log that it learned from.

        Raises:
            DataError: an item has no text.
            SimulatorError: as for :meth:`add_items`.
            LLMRecError: as for :meth:`add_items`.
        """
        from llmrec_env.language.added_items import for_catalogue

        model = for_catalogue(self.model, items, encoder, feedback)
        return LanguageUser(model, None, self.accept_rate, self.remember_skips)

    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> Session:
        """Begin to ask N users; who they are does not matter, only what they took and liked."""
        return _LanguageSession(self, histories, feedback)

    @property
    def feedback_source(self) -> Source | None:
        """The column from which the LE learned how items are liked; None where from none."""
        scale = self.model.config.feedback
        return None if scale is None else scale.source

    def values(self, histories: Histories, feedback: Feedback | None) -> list[FloatArray] | None:
        """Feedback in the log's unit as the LE reads it; None where there is none or it reads none.

        Raises:
            SimulatorError: it does not fit the histories.
        """
        scale = self.model.config.feedback
        if feedback is None or scale is None:
            return None
        values = [scale.scaled(np.asarray(own)) for own in feedback]
        if [len(own) for own in values] != [len(history) for history in histories]:
            raise SimulatorError(
                f"feedback has a number (NaN: unknown) beside each item of {len(histories)} "
                "histories; these lengths do not fit"
            )
        return values

    def preferences(self, states: FloatArray) -> FloatArray:
        """Action-model logits cos(s, v_j) / tau, float32 (N, n_items)."""
        scale = self.model.heads.log_scale.detach().exp()
        with torch.inference_mode():
            known = states_within(states, self.state_size, self.state_size)
            given = torch.tensor(known, dtype=torch.float32, device=self.model.device)
            return (given @ self.le.tables.vectors.T * scale).cpu().numpy()

    def attraction(self, session: Session, items: IntArray) -> FloatArray:
        """The action model's logits of some items only, float32 (N, K)."""
        check_items(items, self.n_items)
        scale = self.model.heads.log_scale.detach().exp()
        with torch.inference_mode():
            states = torch.tensor(session.states, dtype=torch.float32, device=self.model.device)
            listed = self.le.tables.vectors[torch.from_numpy(items).to(self.model.device)]
            logits = torch.einsum("nd,nkd->nk", states, listed.to(states.dtype)) * scale
            return logits.float().cpu().numpy()

    def best_items(self, states: FloatArray, k: int, exclude: Pairs) -> tuple[IntArray, FloatArray]:
        """The K items that the action model ranks highest; see :meth:`UserSimulator.best_items`.

        Above ``EXACT_ITEMS`` items they come from an approximate index, made at the first call.
        """
        if self.n_items <= EXACT_ITEMS:
            return super().best_items(states, k, exclude)
        longest = int(np.bincount(exclude[0], minlength=1).max())
        states = states_within(states, self.state_size, self.state_size)
        items, cosines = self._index.search(states, min(k + longest, self.n_items))
        scale = float(self.model.heads.log_scale.detach().exp())
        return leave_out(items, cosines * np.float32(scale), exclude, k)

    def label(self, log: InteractionLog) -> Labels:
        """States and rewards of a log, one causal pass a sequence; kept while the log lives.

        Both are read-only: they are those that the next caller gets.

        Raises:
            DataError: the log is of another catalogue.
        """
        check_log(log)
        check_same_catalogue(self.catalogue, log.catalogue, "the log, for this simulator")
        if log not in self._labels:
            self._labels[log] = Labels(*map(read_only, label_log(self.le, log)))
        return self._labels[log]

    def branch(self, log: InteractionLog, actions: IntArray) -> Branches:
        """Rewards and next states of actions tried along a log, sharing each sequence's pass.

        Raises:
            DataError: the log is of another catalogue.
        """
        check_same_catalogue(self.catalogue, log.catalogue, "the log, for this simulator")
        rewards, states = branch_log(self.le, log, actions)
        return Branches(rewards, states)

    def draws(self, log: InteractionLog, actions: IntArray) -> FloatArray:
        """How much actions draw that are tried along a log, of which :meth:`accept_probability`
        makes chances of taking.

        Args:
            log: of the same catalogue.
            actions: int64 (n_interactions, K).

        Returns:
            float32 (n_interactions, K), in (0, 1).

        Raises:
            DataError: the log is of another catalogue.
        """
        check_same_catalogue(self.catalogue, log.catalogue, "the log, for this simulator")
        return branch_log(self.le, log, actions, head="acceptance")[0]

    def answers(
        self, histories: Histories, candidates: IntArray, feedback: Feedback | None = None
    ) -> Response:
        """Answers float32 (N, C) about candidates (N, C), in passes that share the history."""
        check_histories(histories, self.n_items)
        candidates = check_candidates(histories, candidates, self.n_items)
        values = self.values(histories, feedback)
        likings, appeals = answer_candidates(self.le, histories, candidates, values=values)
        return Response(likings, self.accept_probability(appeals))

    def accept_probability(self, appeal: FloatArray) -> FloatArray:
        """Probability of taking an item that draws so much, in (0, 1); its reward without feedback.

        See :meth:`AnsweringLE.appeal`.
        """
        z = self._acceptance.slope * logit(appeal) + self._offset
        return sigmoid(z).astype(np.float32)

    def _set_accept_rate(self, accept_rate: float) -> None:
        self.accept_rate = accept_rate
        self._offset = self._acceptance.offset(accept_rate)

    def _set_remember_skips(self, remember_skips: bool) -> None:
        if remember_skips:
            check_reads_skips(self.model.heads.skip_token is not None)
        self._remember_skips = bool(remember_skips)

    @cached_property
    def _index(self) -> VectorIndex:
        return VectorIndex(self.item_vectors)

    @cached_property
    def le(self) -> AnsweringLE:
        """The LE with its item tables, computed once: it no longer learns."""
        with torch.inference_mode():
            return AnsweringLE(self.model)

    @property
    def item_vectors(self) -> FloatArray:
        """The unit vectors that states point to, one an item, float32 (n_items, state_size).

        Read-only: they are those by which the users answer.
        """
        return read_only(self.le.tables.vectors.float().cpu().numpy())


class _LanguageSession(Session):
    def __init__(
        self, simulator: LanguageUser, histories: Histories, feedback: Feedback | None
    ) -> None:
        self._simulator = simulator
        values = simulator.values(histories, feedback)
        self._decoder = Decoder(simulator.le, histories, values, simulator.remember_skips)
        self.states = read_only(self._decoder.states.cpu().numpy())

    def __deepcopy__(self, memo: dict[int, Any]) -> _LanguageSession:
        """A session of its own on the same model: the simulator is shared, never copied."""
        memo[id(self._simulator.le)] = self._simulator.le
        twin = copy.copy(self)
        memo[id(self)] = twin
        twin._decoder = copy.deepcopy(self._decoder, memo)
        twin.states = read_only(self.states.copy())
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: where the users are, without the model."""
        return {**self.__dict__, "_decoder": self._decoder.detached()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Go on from there, on the simulator's model."""
        self.__dict__.update(state)
        self._decoder.le = self._simulator.le

    def respond(self, actions: IntArray) -> Response:
        items = np.asarray(actions)
        if items.shape != self.states.shape[:1]:
            raise SimulatorError(
                f"one item for each of {len(self.states)} users, got an array of shape "
                f"{items.shape}"
            )
        check_items(items, self._simulator.n_items)
        shown = torch.from_numpy(items.astype(np.int64)).to(self._decoder.le.device)
        likings, appeals = (own.cpu().numpy() for own in self._decoder.show_members(shown))
        chance = self._simulator.accept_probability
        if self._simulator.n_members > 1:
            self.members = Response(likings, chance(appeals))
        return Response(likings.mean(axis=0), chance(appeals.mean(axis=0)))

    def commit(self, accepted: BoolArray, skipped: BoolArray | None = None) -> FloatArray:
        left = None if skipped is None else np.asarray(skipped, dtype=bool)
        states = self._decoder.take(np.asarray(accepted, dtype=bool), left)
        self.states = read_only(states.cpu().numpy())
        return self.states

    def replace(
        self,
        rows: IntArray,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        values = self._simulator.values(histories, feedback)
        self.states = read_only(self._decoder.restart(rows, histories, values).cpu().numpy())
        return self.states


@cache
def embedded_user(device: str = "cpu", dtype: str = "auto") -> LanguageUser:
    """The users of the LE of the generated world that ships with the package."""
    if not (EMBEDDED / "config.json").exists():
        raise SimulatorError(
            f"the embedded LE is missing from {EMBEDDED}; make it with "
            "`python -m llmrec_env.language.assets.build`"
        )
    return LanguageUser.from_pretrained(EMBEDDED, device=device, dtype=dtype)
