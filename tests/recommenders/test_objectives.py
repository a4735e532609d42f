"""Each loss term against its equation, written out step by step."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agents import LossTerm, RecommenderConfig
from agents.network import Network
from agents.objectives import Augmentation, Batch, LogFacts, Outputs, loss_terms
from agents.objectives.lea import AugmentedNextItem, AugmentedQ
from agents.objectives.q_learning import LoggedQ, NegativeQ
from agents.objectives.supervised import NextItem

pytestmark = pytest.mark.core

N_ITEMS, GAMMA = 9, 0.5
HISTORIES = [[0, 1], [0, 1, 2], [3, 4]]  # prefixes of users (0, 1, 2, 5) and (3, 4, 6)
ACTIONS = [2, 5, 6]
COUNTS = [5, 1, 2, 1, 1, 3, 1, 1, 5]


def network(seed: int, state_size: int = 0) -> Network:
    torch.manual_seed(seed)
    config = RecommenderConfig("gru4rec", "snqn", state=state_size > 0, dim=6, dropout=0.0)
    made = Network(config, N_ITEMS, state_size).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


@pytest.fixture
def batch() -> Batch:
    return Batch(
        items=torch.tensor([[0, 1, 2, 5], [3, 4, 6, N_ITEMS]]),
        owned=torch.tensor([[False, True, True, False], [False, True, False, False]]),
        actions=torch.tensor(ACTIONS),
        rewards=torch.tensor([0.3, 0.9, 1.0]),
        terminal=torch.tensor([0.0, 1.0, 1.0]),
        negatives=torch.tensor([[7, 8], [6, 6], [0, 8]]),
        items_before=torch.tensor([2, 3, 2]),
        items_after=torch.tensor([1, 0, 0]),
        facts=LogFacts.of(torch.tensor(COUNTS), longest=3),
        augmentation=Augmentation(
            actions=torch.tensor([[8, 3], [4, 7], [0, 0]]),
            weights=torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.0, 0.0]]),
            rewards=torch.tensor([0.6, 0.2, 0.5]),
        ),
    )


@torch.no_grad()
def state(made: Network, history: list[int]) -> Tensor:
    return made.encoder(torch.tensor([history]))[0, -1:]


@torch.no_grad()
def logits(made: Network, history: list[int]) -> Tensor:
    return made.logits(state(made, history))[0]


def double_q(learner: Network, target: Network, history: list[int]) -> float:
    best = int(learner.q(state(learner, history), None)[0].argmax())
    return target.q(state(target, history), None)[0, best].item()


def q(made: Network, history: list[int], action: int) -> float:
    return made.q(state(made, history), None)[0, action].item()


def value_of(term: LossTerm, batch: Batch) -> float:
    return term(Outputs(network(0), network(1), batch), batch).item()


def test_next_item(batch: Batch) -> None:
    pairs = list(zip(HISTORIES, ACTIONS, strict=True))
    expected = [-float(logits(network(0), h).log_softmax(0)[a]) for h, a in pairs]
    assert value_of(NextItem(), batch) == pytest.approx(sum(expected) / 3, rel=1e-5)
    smooth = [-float(logits(network(0), h).log_softmax(0).mean()) for h in HISTORIES]
    mixed = sum(0.7 * e + 0.3 * s for e, s in zip(expected, smooth, strict=True)) / 3
    assert value_of(NextItem(smoothing=0.3), batch) == pytest.approx(mixed, rel=1e-5)


def test_logged_q(batch: Batch) -> None:
    learner, target = network(0), network(1)
    bootstrapped = 0.3 + GAMMA * double_q(learner, target, [0, 1, 2])
    targets = [bootstrapped, 0.9, 1.0]  # the last action of a user bootstraps nothing
    triples = zip(HISTORIES, ACTIONS, targets, strict=True)
    errors = [0.5 * (y - q(learner, h, a)) ** 2 for h, a, y in triples]
    assert value_of(LoggedQ(GAMMA), batch) == pytest.approx(sum(errors) / 3, rel=1e-5)
    assert value_of(LoggedQ(GAMMA, weight=2.0), batch) == pytest.approx(2 * sum(errors) / 3)


def test_negative_q_bootstraps_on_the_same_state(batch: Batch) -> None:
    learner, target = network(0), network(1)
    total = 0.0
    for history, negatives in zip(HISTORIES, batch.negatives.tolist(), strict=True):
        y = 0.0 + GAMMA * double_q(learner, target, history)
        total += sum(0.5 * (y - q(learner, history, a)) ** 2 for a in negatives)
    assert value_of(NegativeQ(GAMMA), batch) == pytest.approx(total / 3, rel=1e-5)


def test_augmented_next_item_is_a_soft_cross_entropy(batch: Batch) -> None:
    first = logits(network(0), HISTORIES[0]).log_softmax(0)
    second = logits(network(0), HISTORIES[1]).log_softmax(0)
    total = -(0.75 * first[8] + 0.25 * first[3]) - 0.5 * (second[4] + second[7])
    assert value_of(AugmentedNextItem(0.4), batch) == pytest.approx(0.4 * float(total) / 3)


def test_one_proposal_is_a_hard_target(batch: Batch) -> None:
    hard = Augmentation(torch.tensor([[8], [4], [0]]), torch.ones(3, 1), torch.ones(3))
    expected = value_of(NextItem(), replace(batch, actions=torch.tensor([8, 4, 0])))
    hard_batch = replace(batch, augmentation=hard)
    assert value_of(AugmentedNextItem(1.0), hard_batch) == pytest.approx(expected)


def test_augmented_q_continues_from_the_history_with_the_action_appended(batch: Batch) -> None:
    learner, target = network(0), network(1)
    rows = [(HISTORIES[0], 8, 0.6), (HISTORIES[1], 4, 0.2)]  # nothing is proposed at the third
    total = 0.0
    for history, action, reward in rows:
        y = reward + GAMMA * double_q(learner, target, [*history, action])
        total += 0.5 * (y - q(learner, history, action)) ** 2
    assert value_of(AugmentedQ(GAMMA, 0.5), batch) == pytest.approx(0.5 * total / 3, rel=1e-4)


def test_only_the_learning_copy_gets_a_gradient(batch: Batch) -> None:
    learner, target = network(0), network(1)
    outputs = Outputs(learner, target, batch)
    terms = loss_terms(RecommenderConfig(objective="snqn", augment=True))
    assert [t.name for t in terms] == [
        *("supervised", "q_logged", "q_negative", "augmented", "q_augmented")
    ]
    torch.stack([term(outputs, batch) for term in terms]).sum().backward()
    assert all(p.grad is None for p in target.parameters())
    assert all(p.grad is not None for p in learner.parameters())


def test_the_language_state_reaches_the_q_head_only(batch: Batch) -> None:
    learner, target = network(0, state_size=4), network(1, state_size=4)
    outcomes = []
    for language in (torch.zeros(3, 4), torch.ones(3, 4) / 2):
        seen = replace(batch, language=language, next_language=language)
        outputs = Outputs(learner, target, seen)
        outcomes.append((outputs.logits, outputs.q_values(batch.negatives), outputs.next_value))
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert not torch.isclose(outcomes[0][1], outcomes[1][1]).any()
    assert not torch.isclose(outcomes[0][2][0], outcomes[1][2][0])
    assert outcomes[0][2][1:].tolist() == [0.0, 0.0]  # after a last action nothing is valued


def test_a_uniform_network_pays_log_n(batch: Batch) -> None:
    made = network(0)
    for parameter in made.parameters():
        torch.nn.init.zeros_(parameter)
    loss = NextItem()(Outputs(made, made, batch), batch)
    assert loss.item() == pytest.approx(math.log(N_ITEMS))


@pytest.mark.parametrize(
    "term", [NextItem(), LoggedQ(), NegativeQ(), AugmentedNextItem(), AugmentedQ()]
)
def test_every_term_alone_teaches_the_encoder(term: LossTerm, batch: Batch) -> None:
    learner = network(0)
    term(Outputs(learner, network(1), batch), batch).backward()
    gradient = learner.encoder.item_embedding.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
