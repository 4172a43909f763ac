"""Fully connected layers by oneDNN: numbers, gradients and second derivatives equal torch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.func import jacrev, vmap

from aecore.model.parts import linear
from aecore.model.parts.linear import Linear, Product, apply_linear


@pytest.fixture
def everywhere(monkeypatch):
    """oneDNN on every processor, for the smallest product."""
    monkeypatch.setattr(linear, "onednn_is_faster", lambda: torch.backends.mkldnn.is_available())
    monkeypatch.setattr(linear, "MIN_ONEDNN_WORK", 0)


def make_operands(n=17, a=30, b=23):
    torch.manual_seed(0)
    return [t.requires_grad_() for t in (torch.randn(n, a), torch.randn(b, a), torch.randn(b))]


def test_values_and_gradients_are_those_of_a_linear_layer(everywhere):
    x, weight, bias = make_operands()
    direction = torch.randn(17, 23)
    for view in (
        lambda t: t,
        lambda t: t[:, :11],
        lambda t: t[:, ::2],
    ):  # tied layers take parts of a weight
        got, wanted = (
            apply_linear(view(x), view(weight), bias),
            F.linear(view(x), view(weight), bias),
        )
        assert torch.allclose(got, wanted, atol=1e-5)
        pairs = [
            torch.autograd.grad((out * direction).sum(), (x, weight, bias)) for out in (got, wanted)
        ]
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*pairs, strict=True))
    assert torch.allclose(
        apply_linear(x, weight.t().contiguous().t(), bias), F.linear(x, weight, bias), atol=1e-5
    )


def test_a_gradient_that_was_expanded_is_taken_as_it_is(everywhere):
    x, weight, bias = make_operands()
    for out in (apply_linear(x, weight, bias), F.linear(x, weight, bias)):
        x.grad = weight.grad = None
        out.sum().backward()
    assert torch.allclose(
        torch.autograd.grad(apply_linear(x, weight, bias).sum(), weight)[0], weight.grad, atol=1e-4
    )


def test_it_can_be_differentiated_twice(everywhere):
    x, weight, bias = make_operands()
    seconds = []
    for layer in (apply_linear, F.linear):
        (first,) = torch.autograd.grad(layer(x, weight, bias).tanh().sum(), x, create_graph=True)
        seconds.append(torch.autograd.grad(first.square().sum(), (x, weight, bias)))
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(*seconds, strict=True))


def test_it_is_used_where_it_is_faster_and_nowhere_else(everywhere, monkeypatch):
    used = []
    monkeypatch.setattr(
        Product, "apply", lambda *operands: used.append(operands) or F.linear(*operands)
    )
    layer = Linear(30, 23)
    layer(torch.randn(5, 30))
    assert len(used) == 1
    layer.double()(torch.randn(5, 30, dtype=torch.float64))
    with torch.autocast("cpu", torch.bfloat16):
        layer.float()(torch.randn(5, 30))
    vmap(jacrev(lambda one: layer(one[None])[0]))(torch.randn(5, 30))
    layer(torch.randn(0, 30)), layer(torch.randn(2, 5, 30))
    monkeypatch.setattr(linear, "MIN_ONEDNN_WORK", 10**9)
    layer(torch.randn(5, 30))
    monkeypatch.setattr(linear, "MIN_ONEDNN_WORK", 0)
    monkeypatch.setattr(linear, "onednn_is_faster", lambda: False)
    layer(torch.randn(5, 30))
    assert len(used) == 1
