"""The softmax over a catalogue against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from llmrec_env.common.softmax import best_entries, linear_entries, log_normaliser, product_dtype

pytestmark = pytest.mark.core


def tensors(seed: int, n_states: int = 7, n_items: int = 50) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((n_states, 8), (n_items, 8), (n_items,))
    return [torch.randn(*shape, generator=generator, requires_grad=True) for shape in shapes]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(0.1, 100.0))
def test_value_and_gradients_are_those_of_the_plain_softmax(seed: int, scale: float) -> None:
    states, table, bias = tensors(seed)
    weights = torch.rand(len(states), generator=torch.Generator().manual_seed(seed))
    expected = torch.logsumexp(F.linear(scale * states, table, bias), dim=1)
    found = log_normaliser(scale * states, table, bias, torch.float32)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        torch.autograd.grad(weights @ found, (states, table, bias)),
        torch.autograd.grad(weights @ expected, (states, table, bias)),
        rtol=1e-3,
        atol=1e-3,
    )


def test_half_the_width_is_near_enough() -> None:
    inputs = tensors(0)
    found = log_normaliser(*inputs, torch.bfloat16)
    expected = torch.logsumexp(F.linear(*inputs), dim=1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05)
    ours = torch.autograd.grad(found.sum(), inputs)
    theirs = torch.autograd.grad(expected.sum(), inputs)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).norm() < 0.02 * other.norm()


def test_chosen_entries_and_the_best() -> None:
    states, table, bias = tensors(1)
    rows = torch.randint(50, (7, 3), generator=torch.Generator().manual_seed(0))
    whole = F.linear(states, table, bias)
    torch.testing.assert_close(linear_entries(states, table, bias, rows), whole.gather(1, rows))
    assert torch.equal(best_entries(states, table, bias, torch.float32), whole.argmax(dim=1))
    best = best_entries(states, table, bias, torch.bfloat16)
    lost = whole.amax(dim=1) - whole.gather(1, best[:, None])[:, 0]
    assert lost.max() < 0.1


def test_the_number_format_can_be_forced() -> None:
    assert product_dtype("float32", "cpu") == torch.float32
    assert product_dtype("bfloat16", "cpu") == torch.bfloat16
    assert product_dtype("auto", "cpu") in (torch.float32, torch.bfloat16)
