"""Each loss term against its equation, written out step by step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from agents import LossTerm, RecommenderConfig
from agents.network import Network
from agents.objectives import Augmentation, Batch, LogFacts, Outputs
from agents.objectives.lea import AugmentedNextItem, AugmentedQ
from agents.objectives.proxy import CountProxy
from agents.objectives.q_learning import LoggedQ
from agents.objectives.sa2c import AdvantageNextItem
from agents.objectives.sac import CriticNextItem
from agents.objectives.smorl import ScalarizedQ
from agents.objectives.snqn import NegativeQ
from agents.objectives.supervised import NextItem

pytestmark = pytest.mark.core

N_ITEMS, GAMMA = 9, 0.5
HISTORIES = [[0, 1], [0, 1, 2], [3, 4]]  # prefixes of users (0, 1, 2, 5) and (3, 4, 6)
ACTIONS = [2, 5, 6]
COUNTS = [5, 1, 2, 1, 1, 3, 1, 1, 5]


def network(seed: int, state_size: int = 0, objective: str = "snqn", **settings: Any) -> Network:
    torch.manual_seed(seed)
    settings = {"dim": 6, "dropout": 0.0, "precision": "float32", **settings}
    config = RecommenderConfig.of("gru4rec", objective, state=state_size > 0, **settings)
    made = config.create(N_ITEMS, state_size).eval()
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


def test_of_three_heads_the_first_learns_from_what_was_proposed(batch: Batch) -> None:
    learner, target = network(0, objective="smorl"), network(1, objective="smorl")
    outputs = Outputs(learner, target, batch)
    AugmentedQ(GAMMA, 0.5)(outputs, batch).backward()
    moved = learner.q_head.weight.grad.view(3, -1).abs().sum(dim=1) > 0
    assert moved.tolist() == [True, False, False]
    extended = [[*h, a] for h, a in zip(HISTORIES, [8, 4, 0], strict=True)]
    for value, history in zip(outputs.augmented_next_value.tolist(), extended, strict=True):
        best = int(learner.q(state(learner, history), None)[0].argmax())
        first = target.q_head(state(target, history))[0, best].item()
        assert value == pytest.approx(first, rel=1e-4)


def surprises(made: Network) -> list[float]:
    """``-log pi(a+ | s)`` of each logged action."""
    pairs = zip(HISTORIES, ACTIONS, strict=True)
    return [-float(logits(made, h).log_softmax(0)[a]) for h, a in pairs]


def test_sac_weighs_the_logged_action_by_its_q_value(batch: Batch) -> None:
    learner = network(0)
    values = [q(learner, h, a) for h, a in zip(HISTORIES, ACTIONS, strict=True)]
    expected = sum(v * s for v, s in zip(values, surprises(learner), strict=True)) / 3
    after = replace(batch, passes=2.0)
    assert value_of(CriticNextItem(warm_up=2.0), after) == pytest.approx(expected, rel=1e-5)
    smooth = CriticNextItem(smoothing=0.3, warm_up=0.0)
    mixed = 0.0
    for v, h, s in zip(values, HISTORIES, surprises(learner), strict=True):
        mixed += v * (0.7 * s - 0.3 * float(logits(learner, h).log_softmax(0).mean())) / 3
    assert value_of(smooth, batch) == pytest.approx(mixed, rel=1e-5)


@pytest.mark.parametrize("propensity", [0.0, 0.5, 1.0])
def test_sa2c_weighs_the_logged_action_by_its_advantage(batch: Batch, propensity: float) -> None:
    learner = network(0)
    with torch.no_grad():  # one advantage above 10, one below 0
        learner.q_head.bias[ACTIONS[0]] += 40
        learner.q_head.bias[ACTIONS[1]] -= 9
    expected, weights = 0.0, []
    for i, (h, a, s) in enumerate(zip(HISTORIES, ACTIONS, surprises(learner), strict=True)):
        pool = [q(learner, h, b) for b in (a, *batch.negatives[i].tolist())]
        weights.append(min(10.0, max(0.0, pool[0] - sum(pool) / 3)))
        ratio = math.exp(-s) / (COUNTS[a] / sum(COUNTS))
        expected += weights[-1] * min(10.0, max(0.1, ratio)) ** propensity * s / 3
    assert weights[:2] == [10.0, 0.0]
    assert weights[2] > 0
    term = AdvantageNextItem(warm_up=1.0, propensity=propensity)
    outputs = Outputs(learner, network(1), replace(batch, passes=1.0))
    assert term(outputs, outputs.batch).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("make", [CriticNextItem, AdvantageNextItem])
def test_actors_warm_up_without_weights_and_then_leave_the_critic_alone(
    make: type[CriticNextItem], batch: Batch
) -> None:
    term, plain = make(smoothing=0.2, warm_up=2.0), value_of(NextItem(0.2), batch)
    for passes, weighed in ((0.0, False), (1.999, False), (2.0, True), (7.5, True)):
        assert (value_of(term, replace(batch, passes=passes)) != plain) == weighed
    learner = network(0)
    outputs = Outputs(learner, network(1), replace(batch, passes=2.0))
    term(outputs, outputs.batch).backward()
    assert learner.q_head.weight.grad is None
    assert learner.q_head.bias.grad is None
    assert learner.encoder.item_embedding.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("objective", ["sac", "sa2c"])
def test_the_critic_goes_on_to_learn_beside_its_actor(objective: str, batch: Batch) -> None:
    settings = {"objective": objective, "warm_up": 2.0, "dim": 6, "precision": "float32"}
    settings |= {"propensity": 0.5} if objective == "sa2c" else {}
    terms = RecommenderConfig.of(**settings).terms()
    gradients = []
    for passes in (0.0, 2.0):
        learner = network(0, objective=objective)
        outputs = Outputs(learner, network(1, objective=objective), replace(batch, passes=passes))
        sum(term(outputs, outputs.batch) for term in terms).backward()
        gradients.append(learner.q_head.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


SMORL = {"accuracy_weight": 1.0, "diversity_weight": 2.0, "novelty_weight": 0.5}


@pytest.mark.parametrize("favourite", [0, 5, 8])  # 0 is most popular, as 8, which comes after it
@pytest.mark.parametrize("vectors", ["output", "input", "given"])
def test_smorl(batch: Batch, favourite: int, vectors: str) -> None:
    learner, target = (network(seed, objective="smorl", **SMORL) for seed in (0, 1))
    with torch.no_grad():
        learner.bias[favourite] += 20
    if vectors == "given":
        table = torch.randn(N_ITEMS, 4)
        batch = replace(batch, facts=replace(batch.facts, vectors=table))
    else:
        table = learner.item_inputs if vectors == "input" else learner.item_outputs
    weights = list(SMORL.values())

    @torch.no_grad()
    def heads(made: Network, history: list[int]) -> list[list[float]]:
        outputs = made.q_head(state(made, history))[0]
        return [outputs[m * N_ITEMS : (m + 1) * N_ITEMS].tolist() for m in range(3)]

    following = [[0, 1, 2], None, None]
    total = 0.0
    for i, (history, action) in enumerate(zip(HISTORIES, ACTIONS, strict=True)):
        last, first = table[history[-1]].detach(), table[favourite].detach()
        cosine = float(last @ first / (last.norm() * first.norm()))
        rewards = [float(batch.rewards[i]), 1 - cosine, 0.0 if favourite == 0 else 1.0]
        bootstrapped = [0.0, 0.0, 0.0]
        if following[i]:
            own = heads(learner, following[i])
            sums = [sum(weights[m] * own[m][b] for m in range(3)) for b in range(N_ITEMS)]
            best = max(range(N_ITEMS), key=sums.__getitem__)
            bootstrapped = [values[best] for values in heads(target, following[i])]
        for m, values in enumerate(heads(learner, history)):
            y = rewards[m] + GAMMA * bootstrapped[m]
            total += weights[m] * 0.5 * (y - values[action]) ** 2
    term = ScalarizedQ(GAMMA, 0.3, tuple(weights), vectors, popular_share=0.1)
    loss = term(Outputs(learner, target, batch), batch)
    assert loss.item() == pytest.approx(0.3 * total / 3, rel=1e-4)
    loss.backward()
    assert learner.output.weight.grad is None  # neither diversity nor novelty moves what it judges
    assert learner.q_head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("counts", "numbers"), [("history", [2, 3, 2]), ("future", [1, 0, 0])])
def test_the_proxy_regresses_a_count_at_the_logged_action(
    batch: Batch, counts: str, numbers: list[int]
) -> None:
    learner = network(0, objective="proxy")
    assert learner.q_head is None
    total = 0.0
    for history, action, n in zip(HISTORIES, ACTIONS, numbers, strict=True):
        predicted = learner.heads["proxy"](state(learner, history))[0, action].item()
        total += 0.5 * (n / 3 - predicted) ** 2
    term = CountProxy(weight=2.0, counts=counts)
    loss = term(Outputs(learner, learner, batch), batch)
    assert loss.item() == pytest.approx(2 * total / 3, rel=1e-5)


def test_only_the_learning_copy_gets_a_gradient(batch: Batch) -> None:
    learner, target = network(0), network(1)
    outputs = Outputs(learner, target, batch)
    terms = RecommenderConfig.of(objective="snqn", augment=True).terms()
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
    "term",
    [
        *(NextItem(), LoggedQ(), NegativeQ(), AugmentedNextItem(), AugmentedQ()),
        *(CriticNextItem(warm_up=0), AdvantageNextItem(warm_up=0, propensity=0.5)),
    ],
)
def test_every_term_alone_teaches_the_encoder(term: LossTerm, batch: Batch) -> None:
    learner = network(0)
    term(Outputs(learner, network(1), batch), batch).backward()
    gradient = learner.encoder.item_embedding.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
