"""Training data: a log as batches of steps, labelled and augmented by a simulated user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agents.config import RecommenderConfig
from agents.objectives.base import Augmentation, Batch, LogFacts
from agents.windows import Windows
from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.events import CLICK_REWARD, PURCHASE_REWARD
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import UnseenItems
from llmrec_env.offline.augmentation import Proposals, propose, soft_targets
from llmrec_env.offline.transitions import event_rewards
from llmrec_env.users.base import Branches, Labels, UserSimulator


@dataclass(frozen=True, eq=False)
class ProposedActions:
    """What is learned at every interaction of a log besides what was logged.

    Attributes:
        actions: int64 (n_interactions, K), best first.
        weights: float32 (n_interactions, K), soft targets, 0 where nothing was proposed.
        rewards: float32 (n_interactions,), of the best action.
        states: float32 (n_interactions, state_size), the user had they taken the best action.
    """

    actions: IntArray
    weights: FloatArray
    rewards: FloatArray
    states: FloatArray


@dataclass(frozen=True, eq=False)
class TrainingData:
    """A log in windows, with what the objectives need to know of every interaction.

    Attributes:
        log: the training users.
        windows: the log in windows.
        rewards: float32 (n_interactions,), the reward of each logged action.
        states: float32 (n_interactions, state_size), the simulator's states; state_size 0 where
            no term reads them.
        negatives: draws items that a user never saw, or None where no term needs them.
        n_negatives: how many a step.
        proposals: proposed actions, or None.
        facts: of the whole log.
    """

    log: InteractionLog
    windows: Windows
    rewards: FloatArray
    states: FloatArray
    negatives: UnseenItems | None
    n_negatives: int
    proposals: ProposedActions | None
    facts: LogFacts

    @classmethod
    def prepare(
        cls,
        log: InteractionLog,
        simulator: UserSimulator | None,
        config: RecommenderConfig,
        given: Proposals | None = None,
        vectors: Float64Array | None = None,
    ) -> TrainingData:
        """Label and augment ``log`` as ``config`` asks for.

        Args:
            log: the training users.
            simulator: the simulated user, where the settings ask for one.
            config: what is to be learned.
            given: proposed actions, which ``config.teacher`` then need not make.
            vectors: float64 (n_items, d), checked, what is known of the items.

        Raises:
            DataError: nobody in the log has two interactions, somebody saw every item, or the
                given proposals are not of this log.
            LLMRecError: the settings need a simulator and there is none, or it has other items.
        """
        _check(log, simulator, config, given)
        # First, since it refuses events of no known kind: labels take minutes.
        constant = constant_rewards(log, *config.objective.event_rewards)
        labels = None
        if simulator is not None and config.needs_simulator:
            # A fused state is read in service too, where nobody is known by name.
            strangers = config.language.state_reader == "fused"
            labels = simulator.label(log.with_strangers() if strangers else log)
        states = np.zeros((len(log), 0), dtype=np.float32)
        if labels is not None and config.language.state:
            states = labels.states
        proposals = None
        if config.language.augmented:
            own = float(constant.mean())
            proposals = _propose(log, simulator, labels, config, own, given)
        n_negatives = config.objective.n_negatives
        return cls(
            log=log,
            windows=Windows.over(log.lengths, config.backbone.max_length),
            rewards=labels.rewards if labels and config.language.reward else constant,
            states=states,
            negatives=UnseenItems(log) if n_negatives else None,
            n_negatives=n_negatives,
            proposals=proposals,
            facts=_facts(log, vectors),
        )

    def batch(
        self, chosen: IntArray, rng: np.random.Generator, device: torch.device, passes: float = 0.0
    ) -> Batch:
        """The logged steps of the ``chosen`` windows, after so many ``passes`` over the log."""
        windows = self.windows.batch(self.log.items, chosen, padding=self.log.n_items)
        rows, after = windows.rows, windows.rows + 1
        users = np.searchsorted(self.log.offsets, rows, side="right") - 1

        def tensor(values: NDArray[np.generic]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device)

        first, end = self.log.offsets[users], self.log.offsets[users + 1]
        negatives = np.zeros((len(rows), 0), dtype=np.int64)
        if self.negatives is not None:
            negatives = self.negatives.sample(users, self.n_negatives, rng)
        return Batch(
            items=tensor(windows.items),
            owned=tensor(windows.owned),
            actions=tensor(self.log.items[after]),
            rewards=tensor(self.rewards[after]),
            terminal=tensor((after + 1 == end).astype(np.float32)),
            negatives=tensor(negatives),
            items_before=tensor(after - first),
            items_after=tensor(end - after - 1),
            facts=self._facts_on(device),
            language=tensor(self.states[rows]),
            next_language=tensor(self.states[after]),
            augmentation=self._augmentation(rows, device),
            passes=passes,
        )

    def _facts_on(self, device: torch.device) -> LogFacts:
        if self.facts.share.device != device:  # once: they stay there
            object.__setattr__(self, "facts", self.facts.to(device))
        return self.facts

    def _augmentation(self, rows: IntArray, device: torch.device) -> Augmentation | None:
        if self.proposals is None:
            return None
        p = self.proposals
        columns = (p.actions, p.weights, p.rewards, p.states)
        return Augmentation(*(torch.from_numpy(column[rows]).to(device) for column in columns))


def constant_rewards(
    log: InteractionLog, click: float = CLICK_REWARD, purchase: float = PURCHASE_REWARD
) -> FloatArray:
    """The framework's own rewards, float32 (n_interactions,): 1, or by kind of event where known.

    Raises:
        DataError: an event is none of those with a reward.
    """
    if "event" not in log.feedback.columns:
        return np.ones(len(log), dtype=np.float32)
    return event_rewards(log.feedback["event"], click, purchase, log.reading.event_rewards)


def _facts(log: InteractionLog, vectors: Float64Array | None) -> LogFacts:
    given = None if vectors is None else torch.from_numpy(vectors).float()
    return LogFacts.of(torch.from_numpy(log.item_counts()), int(log.lengths.max()) - 1, given)


def _check(
    log: InteractionLog,
    simulator: UserSimulator | None,
    config: RecommenderConfig,
    given: Proposals | None,
) -> None:
    if not len(log) or int(log.lengths.max()) < 2:
        raise DataError("nothing to learn: no user of the log has two interactions")
    language = config.language
    if given is not None and not language.augment:
        raise LLMRecError("proposals are given and augment is off; switch it on to use them")
    if given is not None and len(given.actions) != len(log):
        raise DataError(
            f"proposals at {len(given.actions)} interactions do not fit a log of {len(log)}; make "
            "them from the very log that is learned"
        )
    if not language.needs_simulator:
        return
    if given is not None and not (language.state or language.reward):
        return
    if simulator is None:
        raise LLMRecError(
            f"{language.variant} learns from a simulated user: call fit(log, simulator=...)"
        )
    check_same_catalogue(simulator.catalogue, log.catalogue, "the log, for this simulator")


def _propose(
    log: InteractionLog,
    simulator: UserSimulator | None,
    labels: Labels | None,
    config: RecommenderConfig,
    constant: float,
    given: Proposals | None,
) -> ProposedActions:
    """The teacher's K best items at every interaction, and what the simulator says of the first.

    Without the LE's reward an action earns ``constant``, the mean of the framework's own rewards.
    """
    language = config.language
    proposals = given or propose(
        log,
        simulator,
        k=language.augment_k,
        candidates=max(50, language.augment_k),
        method=language.teacher,
        labels=labels,
        seed=config.training.seed,
        later=language.augment_later,
    )
    missing = proposals.actions < 0
    actions = np.where(missing, 0, proposals.actions)
    rewards = np.full(len(log), constant, dtype=np.float32)
    states = np.zeros((len(log), 0), dtype=np.float32)
    if simulator is not None and (language.state or language.reward):
        branches: Branches = simulator.branch(log, actions[:, :1])
        rewards = branches.rewards[:, 0] if language.reward else rewards
        states = branches.states[:, 0] if language.state else states
    weights = soft_targets(proposals, language.temperature)
    weights[_left_out(log, weights, config)] = 0.0
    return ProposedActions(actions, weights, rewards, states)


def _left_out(log: InteractionLog, weights: FloatArray, config: RecommenderConfig) -> IntArray:
    """Rows of the steps with proposed actions that do not learn from them, (n,)."""
    proposed = np.flatnonzero(log.row_goes_on & (weights.sum(axis=1) > 0))
    # One order for all shares, so that of two shares the lower is part of the higher.
    order = np.random.default_rng(config.training.seed).permutation(proposed)
    return order[round(config.language.augment_share * len(order)) :]
