"""The operations of a network in the form that torch's CPU backend runs fastest."""

import torch
from torch import Tensor

WIDE = 128
"""From this many columns on, one product a network beats a batched one over all networks."""

EXACT = 1e-5
"""Relative error that a float32 product may have; one in bfloat16 has a hundred times as much."""


def choose_library(width: int) -> None:
    """Take oneDNN for wide networks and MKL for narrow ones, in all of this process.

    oneDNN comes with torch's "medium" precision, which on CPUs with AMX would mean bfloat16; there MKL stays.
    """
    if width >= WIDE:
        torch.set_float32_matmul_precision("medium")
        a = torch.linspace(-1.0, 1.0, WIDE * WIDE).view(WIDE, WIDE)
        truth = a.double() @ a.double()
        if ((a @ a - truth).norm() / truth.norm()).item() < EXACT:
            return
    torch.set_float32_matmul_precision("highest")


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """`a @ b` of each network; (E, n, k) and (E, k, m) -> (E, n, m)."""
    if min(b.shape[1:]) < WIDE:
        return torch.bmm(a, b) if out is None else torch.bmm(a, b, out=out)
    out = a.new_empty(len(a), a.shape[1], b.shape[2]) if out is None else out
    for one, left, right in zip(out, a, b, strict=True):
        torch.mm(left, right, out=one)
    return out


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`x @ weight + bias` of each network; (E, n, k), (E, k, m) and (E, 1, m) -> (E, n, m)."""
    if weight.shape[-1] == 1:  # a product with one column runs at a tenth of the speed
        return (x * weight.mT).sum(-1, keepdim=True).add_(bias)
    if min(weight.shape[1:]) < WIDE:
        return torch.baddbmm(bias, x, weight)
    return product(x, weight).add_(bias)


def relu_(x: Tensor) -> Tensor:
    """Rectify in place; same values as `x.relu_()`, save that a bfloat16 NaN with a sign becomes 0.

    A negative bfloat16 is a negative int16, and the maximum of integers needs no way through float32: 4 times faster.
    """
    return x.view(torch.int16).clamp_min_(0).view(x.dtype) if x.dtype == torch.bfloat16 else x.relu_()


def passed(gradient: Tensor, activation: Tensor, out: Tensor) -> Tensor:
    """`gradient` where the rectified `activation` is above zero, else 0, into `out`, which may be `gradient` itself.

    `torch.where` on a comparison costs forty times as much.
    """
    return torch.ops.aten.threshold_backward.grad_input(gradient, activation, 0, grad_input=out)


Normalised = tuple[Tensor, Tensor, Tensor]
"""Input of a layer norm, its mean and the inverse of its standard deviation."""


def normalise(x: Tensor) -> tuple[Tensor, Normalised]:
    """Layer norm without parameters over the last dimension, and what its gradient needs."""
    out, mean, inverse = torch.native_layer_norm(x, x.shape[-1:], None, None, 1e-5)
    return out, (x, mean, inverse)


def normalise_backward(gradient: Tensor, norm: Normalised, scale: Tensor | None) -> Tensor:
    """Gradient of the input, for `gradient * scale` at the output."""
    x, mean, inverse = norm
    wanted = [True, False, False]
    return torch.ops.aten.native_layer_norm_backward(gradient, x, x.shape[-1:], mean, inverse, scale, None, wanted)[0]
