"""``Recommender``: fits to a log, recommends items after a history, saves and loads."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from agents.config import RecommenderConfig
from agents.data import TrainingData
from agents.item_init import check_vectors, principal_table
from agents.network import Network
from agents.objectives.lea import BASE
from agents.saving import SavedRecommender, recommender_in
from agents.training import fit_network
from agents.windows import Windows, last_window
from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.device import check_device
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.files import local_path
from llmrec_env.data.catalogue import Catalogue, check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.repeats import masks_seen
from llmrec_env.evaluation.ranking import evaluate_ranking
from llmrec_env.offline.augmentation import Proposals
from llmrec_env.users.base import UserSimulator

Observation = NDArray[np.generic] | Mapping[str, NDArray[np.generic]]

CHUNK = 1024
"""Windows that are encoded at once when serving."""


class Recommender:
    """A sequential recommender: fit it to a log, then ask it what to show next.

    :class:`Supervised`, :class:`SNQN` and :class:`LEA` name the usual settings.

    Args:
        config: what it is and how it learns; None: the plain SASRec.
        settings: flat keywords that differ from it (:meth:`RecommenderConfig.with_settings`), such
            as ``backbone="gru4rec", dim=32``.

    Attributes:
        config: both together.
        history: one row a validation (step, losses, HR@10, NDCG@10 and whether seen items were
            masked in them), filled by :meth:`fit`.
        catalogue_id: fingerprint of the item ids that it was fitted on.
        simulator: the simulated user whose states it serves with (``state_to="fused"``), or None.
        seconds: CPU seconds of :meth:`fit`: "labelling" (asking the simulator and proposing
            actions) and "learning" (validation included).
    """

    def __init__(self, config: RecommenderConfig | None = None, **settings: Any) -> None:
        self.config = (config or RecommenderConfig()).with_settings(**settings)
        self.history: list[dict[str, float]] = []
        self.catalogue_id = ""
        self.simulator: UserSimulator | None = None
        self.seconds: dict[str, float] = {}
        self._network: Network | None = None
        self._popularity: FloatArray = np.empty(0, dtype=np.float32)
        self._rng = np.random.default_rng(self.config.training.seed)

    @property
    def name(self) -> str:
        """Backbone, framework and LEA variant for tables, such as "SASRec SAC LEASR".

        A variant alone, as in "SASRec LEASR", is on SNQN.
        """
        objective, variant = self.config.objective, self.config.language.variant
        names = [self.config.backbone.title or self.config.backbone.name]
        if not (variant and objective.name == BASE):
            names.append(objective.title or objective.name)
        return " ".join([*names, variant]).strip()

    @property
    def network(self) -> Network:
        """The fitted network.

        Raises:
            LLMRecError: :meth:`fit` has not been called.
        """
        if self._network is None:
            raise LLMRecError("this recommender is not fitted: call fit(log) or load(folder)")
        return self._network

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return self.network.n_items

    def fit(
        self,
        log: InteractionLog,
        simulator: UserSimulator | None = None,
        validation: InteractionLog | None = None,
        folder: str | os.PathLike[str] | None = None,
        proposals: Proposals | None = None,
        item_vectors: ArrayLike | None = None,
    ) -> Recommender:
        """Learn from a log; processes begun by ``accelerate launch`` share its batches.

        Items of the catalogue that the log lacks are ranked too, as items that nobody takes.

        Args:
            log: the training users.
            simulator: the simulated user that labels and augments the log, where the settings ask
                for one.
            validation: held-out users; learning stops when their NDCG@10 stops rising, and the
                weights of the best pass are kept. Without it, the training loss decides.
            folder: where checkpoints go; a run found there is continued.
            proposals: actions to learn from in place of those of ``config.teacher``, one row an
                interaction of ``log``; any ranker makes some (:mod:`agents.teachers`).
            item_vectors: finite numbers (n_items, d), one row an item of the catalogue. With
                ``item_init="text"`` the item embedding begins as their ``dim`` principal
                directions, at the scale of random weights, and then learns; with
                ``diversity_vectors="given"`` SMORL compares them. They may be an LE's
                (``simulator.item_vectors``, which is what
                :func:`agents.sb3.language_vectors` gives) or what a sentence encoder makes of
                ``log.catalogue.sentences``. A saved recommender needs them no more.

        Raises:
            DataError: the log is none, or holds nothing to learn, the proposals are not of it,
                ``validation`` has another catalogue, or ``item_vectors`` are of another shape, not
                finite or all the same.
            SettingError: ``item_vectors`` are given and no setting asks for them, or the reverse;
                or the device is not there.
            LLMRecError: a simulator is needed and missing, or has another catalogue.
        """
        if not isinstance(log, InteractionLog):
            raise DataError(
                "a recommender learns from a log, and then, where it needs one, from a simulated "
                f"user: fit(log, user); the first was a {type(log).__name__}"
            )
        if validation is not None:
            check_same_catalogue(log.catalogue, validation.catalogue, "the validation log")
        vectors = check_vectors(item_vectors, self.config.reads_vectors, log.n_items)
        device = check_device(self.config.training.device)
        began = time.process_time()  # other processes may share the cores
        data = TrainingData.prepare(log, simulator, self.config, proposals, vectors)
        labelled = time.process_time()
        self.simulator = simulator if self._fused else None
        counts = log.item_counts().astype(np.float32)
        self._adopt(log.n_items, data.states.shape[1], counts, device)
        if vectors is not None and self.config.item_init == "text":
            table = principal_table(vectors, self.config.backbone.dim)
            self.network.encoder.begin_with(torch.from_numpy(table))
        self.catalogue_id = log.catalogue.fingerprint
        evaluate = None
        if validation is not None:
            masked = masks_seen(log, self.config.training.mask_seen)
            evaluate = partial(self._validate, self._sample(validation), masked)
        path = Path(folder) if folder is not None else None
        history = fit_network(self.network, data, self.config, evaluate, path)
        self.history = history.rows
        ended = time.process_time()
        self.seconds = {"labelling": labelled - began, "learning": ended - labelled}
        return self

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Scores of the next item after each prefix of each sequence.

        Args:
            sequences: int64 item arrays, oldest first.

        Returns:
            float32 (sum(len_i - 1), n_items): prefixes of length 1 to len - 1 of the first
            sequence, then of the second, and so on.

        Raises:
            DataError: an item is not in the catalogue, or ``sequences`` are no item arrays.
        """
        arrays = _item_arrays(sequences)
        lengths = np.array(list(map(len, arrays)), dtype=np.int64)
        items = self._checked(arrays)
        language = self._language_states(sequences)
        windows = Windows.over(lengths, self.config.backbone.max_length)
        scores = np.empty((windows.n_states, self.n_items), dtype=np.float32)
        done = 0
        for chosen in _chunks(len(windows)):
            batch = windows.batch(items, chosen, padding=self.n_items)
            some = self._logits(batch.items, batch.owned, language[batch.rows])
            scores[done : done + len(some)] = some
            done += len(some)
        return scores

    def score(self, histories: Sequence[IntArray]) -> FloatArray:
        """Scores of the next item after each history, float32 (N, n_items).

        Only the last ``max_length`` or fewer items are read. After an empty history, items score
        as they were popular in training.

        Raises:
            DataError: an item is not in the catalogue, or ``histories`` are no item arrays.
        """
        arrays = _item_arrays(histories)
        self._checked(arrays)
        scores = np.tile(self._popularity, (len(arrays), 1))
        known = np.array([i for i, array in enumerate(arrays) if len(array)], dtype=np.int64)
        for chosen in _chunks(len(known)):
            rows = known[chosen]
            items = last_window(
                [arrays[i] for i in rows], self.config.backbone.max_length, self.n_items
            )
            last = (items != self.n_items).sum(axis=1) - 1
            whole = [arrays[i] for i in rows]
            ends = np.cumsum([len(history) for history in whole]) - 1
            language = self._language_states(whole)[ends]
            scores[rows] = self._logits(items, np.arange(items.shape[1]) == last[:, None], language)
        return scores

    def recommend(
        self, histories: Sequence[IntArray], k: int = 10, exclude_seen: bool = True
    ) -> IntArray:
        """The ``k`` best items after each history, best first.

        Args:
            histories: N int64 item arrays, oldest first; may be empty.
            k: how many.
            exclude_seen: whether to leave out the items of the history.

        Returns:
            int64 (N, k); -1 where fewer than ``k`` items are left.

        Raises:
            DataError: an item is not in the catalogue, or ``k`` is not in [1, n_items].
        """
        if not 1 <= k <= self.n_items:
            raise DataError(f"k must lie in [1, {self.n_items}], got {k}")
        scores = self.score(histories)
        if exclude_seen:
            _hide(scores, histories)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        left = np.isfinite(np.take_along_axis(scores, best, axis=1))
        return np.where(left, best, -1)

    def action_scores(self, observation: Observation) -> FloatArray:
        """Scores of all items for batched "history" (or "both") observations.

        Args:
            observation: int64 (N, history_length), most recent last, left-padded with ``n_items``;
                or a mapping that holds such an array under "history".

        Returns:
            float32 (N, n_items).

        Raises:
            DataError: the observation has another form, or an item is not in the catalogue.
        """
        return self.score(self._histories(observation))

    def predict(
        self,
        observation: Observation,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[IntArray, None]:
        """What to show, in stable-baselines3's signature.

        Args:
            observation: as in :meth:`action_scores`, or one such row.
            state: unused; the observation holds the history.
            episode_start: unused.
            deterministic: the best item; False draws from the softmax of the scores, with a
                generator seeded by ``config.seed`` when the recommender was made.

        Returns:
            The action, int64 of shape () for one observation and (N,) for N; and None. Items of
            the observed history are not shown again.
        """
        rows = observation["history"] if isinstance(observation, Mapping) else observation
        histories = self._histories(np.atleast_2d(rows))
        scores = self.score(histories)
        _hide(scores, histories)
        if not deterministic:
            scores += self._rng.gumbel(size=scores.shape).astype(np.float32)
        actions = scores.argmax(axis=1)
        return (actions if np.ndim(rows) == 2 else actions[0]), None

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder, whole or not at all.

        A recommender that stands there is replaced.

        Raises:
            SettingError: the folder holds anything else.
        """
        network = self.network
        SavedRecommender(
            config=self.config,
            n_items=network.n_items,
            state_size=network.state_size,
            catalogue_id=self.catalogue_id,
            history=self.history,
            popularity=self._popularity,
            weights=network.state_dict(),
        ).write(Path(folder))

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        catalogue: Catalogue | None = None,
        device: str = "cpu",
        simulator: UserSimulator | None = None,
    ) -> Recommender:
        """Read what :meth:`save` wrote.

        Args:
            folder: the folder.
            catalogue: the items that it will be asked about; checked where given.
            device: torch device that will serve.
            simulator: the simulated user that it learned with, where it serves with their states
                (``state_to="fused"``).

        Raises:
            DataError: the folder holds no recommender of this format, not what was saved, or one
                of another catalogue.
            SettingError: the device is not there.
        """
        path, device = local_path(folder, "recommender"), str(check_device(device))
        with recommender_in(path):
            saved = SavedRecommender.read(path, device)
            recommender = Recommender(saved.config)
            recommender._adopt(saved.n_items, saved.state_size, saved.popularity, device)
            recommender.network.load_state_dict(saved.weights)
        recommender.history = saved.history
        recommender.catalogue_id = saved.catalogue_id
        recommender.simulator = simulator
        if catalogue is not None:
            recommender.check_catalogue(catalogue, str(path))
        return recommender

    def check_catalogue(self, catalogue: Catalogue, what: str = "this recommender") -> None:
        """Refuse to be asked about another catalogue than it was fitted on.

        Args:
            catalogue: the items that it is to be asked about.
            what: what to call it in the error.

        Raises:
            DataError: the item ids or their order are not the same.
        """
        if catalogue.fingerprint != self.catalogue_id:
            raise DataError(
                f"{what}: fitted on another catalogue ({self.n_items} items) than the one given "
                f"({len(catalogue)} items); item ids and their order must be the same"
            )

    def _adopt(
        self, n_items: int, state_size: int, popularity: FloatArray, device: str | torch.device
    ) -> None:
        """Make a fresh network for a catalogue."""
        with torch.random.fork_rng([]):
            torch.manual_seed(self.config.training.seed)
            network = self.config.create(n_items, state_size)
        self._network = network.to(device).eval()
        self._popularity = popularity

    def _sample(self, validation: InteractionLog) -> InteractionLog:
        most = self.config.training.validation_users
        if validation.n_users <= most:
            return validation
        rng = np.random.default_rng(self.config.training.seed)
        users = rng.choice(validation.n_users, most, replace=False)
        return validation.select_users(np.sort(users))

    def _validate(self, validation: InteractionLog, mask_seen: bool) -> dict[str, float]:
        metrics = evaluate_ranking(self, validation, ks=(10,), mask_seen=mask_seen)
        return {name: metrics[name] for name in ("HR@10", "NDCG@10", "mask_seen")}

    @property
    def _fused(self) -> bool:
        """Whether it serves with a simulator's states."""
        return self.config.language.state_reader == "fused"

    def _language_states(self, sequences: Sequence[IntArray]) -> FloatArray:
        """The simulator's states after every item, float32 (sum(len_i), state_size or 0)."""
        if not self._fused:
            return np.empty((sum(map(len, sequences)), 0), dtype=np.float32)
        if self.simulator is None:
            raise LLMRecError(
                "this recommender's states have a simulated user's in them (state_to='fused'), so "
                "it cannot serve alone: give the one it learned with, load(folder, simulator=...) "
                "or --simulator"
            )
        log = InteractionLog.of_strangers(self.simulator.catalogue, sequences)
        return self.simulator.label(log).states

    @torch.no_grad()
    def _logits(self, items: IntArray, wanted: BoolArray, language: FloatArray) -> FloatArray:
        """f(s) at the P ``wanted`` places (bool (B, T)) of right-padded ``items`` (B, T).

        ``language`` holds the simulator's states there, (P, state_size), where they are read.
        """
        network = self.network
        device = network.bias.device
        states = network.encoder(torch.from_numpy(items).to(device))
        own = states[torch.from_numpy(wanted).to(device)]
        return (
            network.logits(network.fuse(own, torch.from_numpy(language).to(device))).cpu().numpy()
        )

    def _histories(self, observation: Observation) -> list[IntArray]:
        rows = observation["history"] if isinstance(observation, Mapping) else observation
        rows = np.asarray(rows)
        if rows.ndim != 2 or not np.array_equal(rows, rows.astype(np.int64)):
            raise DataError(
                "a recommender reads histories: item indices of shape (N, history_length), "
                f"got {rows.dtype} of shape {rows.shape}; make the environment with "
                "observation='history' or 'both'"
            )
        rows = rows.astype(np.int64)
        return [row[row != self.n_items] for row in rows]

    def _checked(self, arrays: Sequence[IntArray]) -> IntArray:
        """All items of the arrays, one after the other."""
        items = np.concatenate([np.empty(0, dtype=np.int64), *arrays])
        if len(items) and not 0 <= items.min() <= items.max() < self.n_items:
            bad = items[(items < 0) | (items >= self.n_items)][0]
            raise DataError(
                f"item index {bad} is not in the catalogue of {self.n_items} items that this "
                "recommender was fitted on"
            )
        return items


def _item_arrays(histories: Sequence[IntArray]) -> list[IntArray]:
    """One int64 array a history."""
    arrays = [np.asarray(history) for history in histories]
    for array in arrays:
        if array.ndim != 1 or (len(array) and not np.issubdtype(array.dtype, np.integer)):
            raise DataError(
                "histories must be a list of arrays of item indices, one a user, such as "
                f"[log.sequence(0)]; one of them is {array.dtype} of shape {array.shape}"
            )
    return [array.astype(np.int64) for array in arrays]


def _hide(scores: FloatArray, histories: Sequence[IntArray]) -> None:
    """Give the items of each history the score -inf, in place."""
    for row, history in enumerate(histories):
        scores[row, np.asarray(history, dtype=np.int64)] = -np.inf


def _chunks(n: int) -> Iterator[IntArray]:
    return (np.arange(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK))
