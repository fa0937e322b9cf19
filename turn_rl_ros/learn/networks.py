"""Stacks of small ReLU networks, all seeds and twins side by side in one buffer.

Layer i of a stack is weight (E, in, out) and bias (E, 1, out), the layout that `core.policy` runs in NumPy. E counts
seeds times networks a seed, seed by seed; what belongs to one seed is one block of rows of the buffer.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.best_of import LOG_STD_HIGH, LOG_STD_LOW

Layer = tuple[Tensor, Tensor]


class Network:
    """E networks of one shape; `values` (E, parameters) holds them, `layers` are views of it that take gradients."""

    def __init__(
        self, sizes: Sequence[int], generators: Sequence[torch.Generator], copies: int = 1, layer_norm: bool = False
    ) -> None:
        """Draw weights and biases uniform in +-1/sqrt(inputs) (LeCun et al. 1998).

        Args:
            sizes: inputs, hidden units ..., outputs.
            generators: one a seed.
            copies: networks a seed, such as 2 for twin critics.
            layer_norm: put a layer norm before each activation, see `forward`.
        """
        self.sizes, self.copies, self.layer_norm = tuple(sizes), copies, layer_norm
        count = sum(inputs * outputs + outputs for inputs, outputs in pairwise(sizes))
        self.values = torch.empty(len(generators) * copies, count)
        self.layers = self._views(self.values)
        for row, generator in enumerate(g for g in generators for _ in range(copies)):
            for weight, bias in self.layers:
                bound = 1.0 / math.sqrt(weight.shape[1])
                weight[row].uniform_(-bound, bound, generator=generator)
                bias[row].uniform_(-bound, bound, generator=generator)

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (E, batch, out); see `forward`."""
        return forward(self.layers, x, self.layer_norm)

    def learnable(self) -> "Network":
        """The same network, with gradients from now on: each layer's `.grad` is a view of `values.grad`."""
        self.values.grad = torch.zeros_like(self.values)
        for layer, slots in zip(self.layers, self._views(self.values.grad), strict=True):
            for part, slot in zip(layer, slots, strict=True):
                part.requires_grad_().grad = slot
        return self

    def fixed(self, x: Tensor) -> Tensor:
        """The same outputs without gradients of the weights: what passes through to the input alone."""
        return forward([(weight.detach(), bias.detach()) for weight, bias in self.layers], x, self.layer_norm)

    def copy(self) -> "Network":
        """A copy without gradients: a target or an average."""
        twin = object.__new__(Network)
        twin.sizes, twin.copies, twin.layer_norm = self.sizes, self.copies, self.layer_norm
        twin.values = self.values.detach().clone()
        twin.layers = twin._views(twin.values)
        return twin

    @torch.no_grad()
    def follow(self, fast: "Network", rate: float) -> None:
        """Move towards `fast` by the share `rate` (Polyak averaging), in place."""
        self.values.lerp_(fast.values, rate)

    def arrays(self, seed: int, outputs: int | None = None) -> dict[str, NDArray[np.float32]]:
        """Layers of one seed under the names that a policy artifact gives them, w0 b0 w1 ...; its first `outputs`."""
        rows = slice(seed * self.copies, (seed + 1) * self.copies)
        parts = [[part[rows].detach().numpy().copy() for part in layer] for layer in self.layers]
        if outputs is not None:
            parts[-1] = [part[..., :outputs].copy() for part in parts[-1]]
        return {f"{name}{i}": part for i, layer in enumerate(parts) for name, part in zip("wb", layer, strict=True)}

    def _views(self, buffer: Tensor) -> list[Layer]:
        layers, at = [], 0
        for inputs, outputs in pairwise(self.sizes):
            weight = buffer[:, at : at + inputs * outputs].view(-1, inputs, outputs)
            at += inputs * outputs
            layers.append((weight, buffer[:, at : at + outputs].view(-1, 1, outputs)))
            at += outputs
        return layers


def forward(layers: Sequence[Layer], x: Tensor, layer_norm: bool = False) -> Tensor:
    """Outputs of all members, (E, batch, out).

    Args:
        layers: the stack.
        x: (S, batch, in) float, or (S, batch) int64 for a one-hot input, with E a multiple of S: each seed's rows go
            through all of its networks.
        layer_norm: a layer norm before each activation (Ba et al. 2016): a critic's values then cannot grow without
            bound away from the data, which is what an offline actor looks for (Ball et al. 2023, section 4.2).
    """
    weight, bias = layers[0]
    members = weight.shape[0]
    x = per_network(x, members // len(x))
    one_hot = x.dtype == torch.int64  # a product with a one-hot row is a row of the weight
    x = weight[torch.arange(members)[:, None], x] + bias if one_hot else torch.baddbmm(bias, x, weight)
    for weight, bias in layers[1:]:
        x = (torch.nn.functional.layer_norm(x, x.shape[-1:]) if layer_norm else x).relu()
        x = torch.baddbmm(bias, x, weight)
    return x


def per_network(x: Tensor, copies: int) -> Tensor:
    """Repeat each seed's entry for each of its networks; (S, ...) -> (S * copies, ...), seed by seed."""
    return x if copies == 1 else x[:, None].expand(-1, copies, *x.shape[1:]).flatten(0, 1)


def split_gaussian(output: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation, (..., n) each, from an actor's output (..., 2 n)."""
    mean, log_std = output.chunk(2, dim=-1)
    return mean, log_std.clamp(LOG_STD_LOW, LOG_STD_HIGH)


def squash(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A tanh-Gaussian action in [-1, 1] and its log density (Haarnoja et al. 2018, appendix C).

    Args:
        mean: (..., n) before the tanh.
        log_std: (..., n).
        noise: (..., n) standard normal; broadcasts against `mean`.

    Returns:
        action (..., n) and log density (...), with log(1 - tanh(u)^2) in the form 2 (log 2 - u - softplus(-2 u)).
    """
    before = mean + log_std.exp() * noise
    gaussian = (-0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
    correction = 2.0 * (math.log(2.0) - before - torch.nn.functional.softplus(-2.0 * before)).sum(-1)
    return before.tanh(), gaussian - correction
