"""Caser and NextItNet against their equations, at any size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from agents import Caser, NextItNet, SequenceEncoder
from agents.backbones.nextitnet import NextItNetConfig, growing_dilations

pytestmark = pytest.mark.core
N_ITEMS, DIM = 15, 6


def away_from_zero(encoder: SequenceEncoder) -> SequenceEncoder:
    """The encoder with weights far from the small initial ones, in double precision."""
    torch.manual_seed(0)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return encoder.double().eval()


def some_items(length: int) -> Tensor:
    return torch.randint(N_ITEMS, (2, length), generator=torch.Generator().manual_seed(length))


encoders = st.one_of(
    st.builds(
        lambda window, filters: Caser(N_ITEMS, DIM, window, filters, 3),
        st.integers(1, 9),
        st.integers(1, 4),
    ),
    st.builds(
        lambda dilations, kernel: NextItNet(N_ITEMS, DIM, dilations, kernel),
        st.lists(st.integers(1, 9), min_size=1, max_size=3),
        st.integers(2, 4),
    ),
).map(away_from_zero)


@settings(max_examples=30, deadline=None)
@given(encoder=encoders, length=st.integers(1, 8), cut=st.integers(1, 8))
def test_reading_extending_and_cutting_agree(
    encoder: SequenceEncoder, length: int, cut: int
) -> None:
    items = some_items(length)
    appended = (items * 7 + 3) % N_ITEMS
    reading = encoder.read(items)
    branches = encoder.extend(reading, appended)
    t = min(cut, length)
    torch.testing.assert_close(encoder(items[:, :t]), reading.states[:, :t])
    longer = torch.cat([items[:, :t], appended[:, t - 1 : t]], dim=1)
    torch.testing.assert_close(branches[:, t - 1], encoder(longer)[:, -1])


@settings(max_examples=20, deadline=None)
@given(window=st.integers(1, 6), length=st.integers(1, 9))
def test_caser_is_what_its_filters_say_of_the_image(window: int, length: int) -> None:
    encoder = away_from_zero(Caser(N_ITEMS, DIM, window, horizontal_filters=2, vertical_filters=3))
    items = some_items(length)
    table = encoder.item_embedding.weight * DIM**0.5
    for row, history in enumerate(items.tolist()):
        image = torch.zeros(window, DIM, dtype=torch.float64)
        last = history[-window:]
        image[window - len(last) :] = table[last]
        features = []
        for height, linear in enumerate(encoder.horizontal, start=1):
            filters = linear.weight.view(-1, 1, height, DIM)
            seen = image[max(0, window - len(last) - height + 1) :]  # places that hold an item
            out = F.conv2d(seen[None, None], filters, linear.bias)[0, :, :, 0]
            features.append(F.relu(out).amax(dim=1))
        columns = encoder.vertical.weight.view(-1, 1, window, 1)
        sums = F.conv2d(image[None, None], columns, encoder.vertical.bias)[0, :, 0]
        merged = encoder.merge(torch.cat([*features, sums.T.flatten()]))
        torch.testing.assert_close(encoder(items)[row, -1], encoder.norm(F.relu(merged)))


def test_caser_sees_its_window_and_no_more() -> None:
    encoder = away_from_zero(Caser(N_ITEMS, DIM, window=3))
    items = some_items(7)
    changed = items.clone()
    changed[:, 0] = (changed[:, 0] + 1) % N_ITEMS
    same = torch.isclose(encoder(items), encoder(changed))
    assert same.all(dim=-1).all(dim=0).tolist() == [False] * 3 + [True] * 4


@settings(max_examples=20, deadline=None)
@given(
    dilations=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    kernel=st.integers(2, 4),
    length=st.integers(1, 9),
)
def test_nextitnet_is_a_stack_of_padded_dilated_convolutions(
    dilations: list[int], kernel: int, length: int
) -> None:
    encoder = away_from_zero(NextItNet(N_ITEMS, DIM, dilations, kernel))
    items = some_items(length)

    def convolved(x: Tensor, linear: torch.nn.Linear, dilation: int) -> Tensor:
        weight = linear.weight.view(DIM, kernel, DIM).permute(0, 2, 1).flip(-1)
        padded = F.pad(x.transpose(1, 2), ((kernel - 1) * dilation, 0))
        return F.conv1d(padded, weight, linear.bias, dilation=dilation).transpose(1, 2)

    x = encoder.item_embedding(items) * DIM**0.5
    for block, d in zip(encoder.blocks, dilations, strict=True):
        inner = F.relu(block.first_norm(convolved(x, block.first.linear, d)))
        x = x + F.relu(block.second_norm(convolved(inner, block.second.linear, 2 * d)))
    torch.testing.assert_close(encoder(items), encoder.norm(x))


@pytest.mark.parametrize(("max_length", "kernel_size"), [(1, 2), (8, 3), (50, 3), (100, 2)])
def test_nextitnet_sees_as_far_back_as_a_recommender_reads(
    max_length: int, kernel_size: int
) -> None:
    config = NextItNetConfig(dim=8, max_length=max_length, kernel_size=kernel_size)
    encoder = away_from_zero(config.create(N_ITEMS))
    items = torch.arange(max_length)[None] % (N_ITEMS - 1) + 1
    items[0, 0] = 0  # there only
    encoder(items)[0, -1].square().sum().backward()
    assert encoder.item_embedding.weight.grad[0].abs().max() > 0


def test_more_blocks_than_the_reach_needs_begin_anew() -> None:
    assert growing_dilations(50, 3) == [1, 4, 16]
    assert growing_dilations(50, 3, blocks=5) == [1, 4, 16, 1, 4]
    assert growing_dilations(50, 3, blocks=1) == [1]
