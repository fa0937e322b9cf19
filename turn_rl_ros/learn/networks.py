"""Stacks of small ReLU networks as plain tensors: layer i is weight (E, in, out) and bias (E, 1, out).

One batched product serves all E members, and the layout is the one that `core.policy` runs in NumPy.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Layer = tuple[Tensor, Tensor]

LOG_STD_LOW, LOG_STD_HIGH = -5.0, 1.0
"""Range of a policy's log standard deviation before the tanh."""


def make_layers(members: int, sizes: Sequence[int], generator: torch.Generator) -> list[Layer]:
    """Layers of the given sizes, uniform in +-1/sqrt(inputs) (LeCun et al. 1998), ready for gradients."""
    layers = []
    for inputs, outputs in pairwise(sizes):
        bound = 1.0 / math.sqrt(inputs)
        weight = torch.empty(members, inputs, outputs).uniform_(-bound, bound, generator=generator)
        bias = torch.empty(members, 1, outputs).uniform_(-bound, bound, generator=generator)
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
    return layers


def forward(layers: Sequence[Layer], x: Tensor, normalise: bool = False) -> Tensor:
    """Outputs of all members, (E, batch, out), for x (batch, in) or (E, batch, in).

    `normalise` puts a layer norm before each activation (Ba et al. 2016): a critic's values then cannot grow without
    bound away from the data, which is what an offline actor looks for (Ball et al. 2023, section 4.2).
    """
    members = layers[0][0].shape[0]
    x = x.expand(members, *x.shape) if x.dim() == 2 else x
    for weight, bias in layers[:-1]:
        x = torch.baddbmm(bias, x, weight)
        x = (torch.nn.functional.layer_norm(x, x.shape[-1:]) if normalise else x).relu()
    return torch.baddbmm(layers[-1][1], x, layers[-1][0])


def parameters(layers: Sequence[Layer]) -> list[Tensor]:
    """The tensors of the layers in order, weight before bias."""
    return [tensor for layer in layers for tensor in layer]


def frozen(layers: Sequence[Layer]) -> list[Layer]:
    """The same weights, shared, without gradients: for passing a gradient through to the input alone."""
    return [(weight.detach(), bias.detach()) for weight, bias in layers]


def copied(layers: Sequence[Layer]) -> list[Layer]:
    """A copy without gradients: a target or an average."""
    return [(weight.detach().clone(), bias.detach().clone()) for weight, bias in layers]


@torch.no_grad()
def follow(slow: Sequence[Layer], fast: Sequence[Layer], rate: float) -> None:
    """Move `slow` towards `fast` by the share `rate` (Polyak averaging), in place."""
    torch._foreach_lerp_(parameters(slow), parameters(fast), rate)


def split_gaussian(output: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation, (..., n) each, from an actor's output (..., 2 n)."""
    mean, log_std = output.chunk(2, dim=-1)
    return mean, log_std.clamp(LOG_STD_LOW, LOG_STD_HIGH)


def squash(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A tanh-Gaussian action in [-1, 1] and its log density (Haarnoja et al. 2018, appendix C).

    Args:
        mean: (..., n) before the tanh.
        log_std: (..., n).
        noise: (..., n) standard normal; more leading dimensions than `mean` give more samples.

    Returns:
        action (..., n) and log density (...), with log(1 - tanh(u)^2) in the form 2 (log 2 - u - softplus(-2 u)).
    """
    before = mean + log_std.exp() * noise
    gaussian = (-0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
    correction = 2.0 * (math.log(2.0) - before - torch.nn.functional.softplus(-2.0 * before)).sum(-1)
    return before.tanh(), gaussian - correction


def arrays_of(layers: Sequence[Layer]) -> dict[str, NDArray[np.float32]]:
    """The layers under the names that a policy artifact gives them: w0, b0, w1, ..."""
    return {
        f"{name}{i}": part.numpy() for i, layer in enumerate(layers) for name, part in zip("wb", layer, strict=True)
    }
