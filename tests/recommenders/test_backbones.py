"""What every sequence encoder promises."""

from __future__ import annotations

import pytest
import torch

from agents import Caser, GRU4Rec, NextItNet, SASRec, SequenceEncoder
from agents.backbones import BACKBONES

pytestmark = pytest.mark.core

N_ITEMS, LENGTH = 20, 7
MAKERS = {
    "sasrec": lambda: SASRec(N_ITEMS, dim=8, layers=2, heads=2, dropout=0.3, max_length=LENGTH),
    "gru4rec": lambda: GRU4Rec(N_ITEMS, dim=8, layers=2, dropout=0.3),
    "caser": lambda: Caser(N_ITEMS, dim=8, window=LENGTH, dropout=0.3),
    "nextitnet": lambda: NextItNet(N_ITEMS, dim=8, dilations=(1, 2), dropout=0.3),
}


@pytest.fixture(params=MAKERS)
def encoder(request: pytest.FixtureRequest) -> SequenceEncoder:
    torch.manual_seed(0)
    encoder = MAKERS[request.param]()
    for parameter in encoder.parameters():  # away from the small initial values
        torch.nn.init.normal_(parameter, std=0.5)
    return encoder.eval()


def test_every_backbone_is_held_to_this() -> None:
    assert set(MAKERS) == set(BACKBONES)


@pytest.fixture
def items() -> torch.Tensor:
    return torch.randint(N_ITEMS, (3, LENGTH), generator=torch.Generator().manual_seed(1))


def test_gives_one_state_an_item(encoder: SequenceEncoder, items: torch.Tensor) -> None:
    states = encoder(items)
    assert states.shape == (3, LENGTH, encoder.dim)
    assert states.dtype == torch.float32


def test_no_state_sees_what_comes_later(encoder: SequenceEncoder, items: torch.Tensor) -> None:
    changed = items.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % N_ITEMS
    before, after = encoder(items), encoder(changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.isclose(before[:, 4:], after[:, 4:]).all(dim=-1).any()


def test_every_state_sees_the_first_item(encoder: SequenceEncoder, items: torch.Tensor) -> None:
    changed = items.clone()
    changed[:, 0] = (changed[:, 0] + 1) % N_ITEMS
    assert not torch.isclose(encoder(items), encoder(changed)).all(dim=-1).any()


def test_padding_on_the_right_changes_no_state(
    encoder: SequenceEncoder, items: torch.Tensor
) -> None:
    padded = items.clone()
    padded[:, 5:] = N_ITEMS
    torch.testing.assert_close(encoder(padded)[:, :5], encoder(items[:, :5]))


def test_extend_equals_reading_the_longer_prefix(
    encoder: SequenceEncoder, items: torch.Tensor
) -> None:
    appended = (items * 7 + 3) % N_ITEMS
    branches = encoder.extend(encoder.read(items), appended)
    for t in range(LENGTH):
        longer = torch.cat([items[:, : t + 1], appended[:, t : t + 1]], dim=1)
        torch.testing.assert_close(branches[:, t], encoder(longer)[:, -1], rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_only(encoder: SequenceEncoder, items: torch.Tensor) -> None:
    assert torch.equal(encoder(items), encoder(items))
    encoder.train()
    assert not torch.equal(encoder(items), encoder(items))
