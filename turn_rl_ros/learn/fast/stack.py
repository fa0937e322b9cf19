"""Forward and backward through a `Network`'s stack by hand: the plain `networks.forward`, without a graph."""

import math

import torch
from torch import Tensor

from turn_rl_ros.learn.fast.kernels import Normalised, linear, normalise, normalise_backward, passed, product
from turn_rl_ros.learn.networks import Layer, Network, per_network

COLUMNS = 16
"""Outputs of a narrow network are padded to a multiple of this: MKL multiplies by 7 columns thrice as long as by 16."""


class Stack:
    """One pass forward, then as many backward as are wanted; holds the activations of the last pass."""

    def __init__(self, network: Network, pad: bool = False) -> None:
        """Bind to a network; its weights are read, and its gradients written, where they lie.

        `pad` adds outputs that are always -inf, up to a multiple of `COLUMNS`: nothing to a softmax or a maximum.
        """
        self._layers = [(weight.detach(), bias.detach()) for weight, bias in network.layers]
        self._slots = [(weight.grad, bias.grad) for weight, bias in network.layers]
        self._layer_norm, self._copies = network.layer_norm, network.copies
        self._inputs: list[Tensor] = []
        self._norms: list[Normalised | None] = []
        weight, bias = self._layers[-1]
        self._outputs = weight.shape[-1]
        extra = -self._outputs % COLUMNS if pad else 0
        self._wide = (_padded(weight, extra, 0.0), _padded(bias, extra, -math.inf)) if extra else None

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (E, batch, out) for x (seeds, batch, in), or (seeds, batch) int64 when one-hot."""
        x = per_network(x, self._copies)
        self._inputs, self._norms = [], []
        for index, (weight, bias) in enumerate(self._layers):
            self._inputs.append(x)
            if index == len(self._layers) - 1 and self._wide is not None:
                weight, bias = self._widened()
            one_hot = x.dtype == torch.int64
            x = weight[torch.arange(len(weight))[:, None], x] + bias if one_hot else linear(x, weight, bias)
            if index < len(self._layers) - 1:
                x = self._activate(x)
        return x

    def backward(self, gradient: Tensor) -> None:
        """Overwrite the gradients of all weights, given that of the outputs of the first rows, (E, rows, out)."""
        for index in reversed(range(len(self._layers))):
            weight_slot, bias_slot = self._slots[index]
            assert weight_slot is not None and bias_slot is not None, "a follower does not learn"
            self._products(index, gradient, weight_slot)
            bias_slot.copy_(gradient.sum(1, keepdim=True)[..., : bias_slot.shape[-1]])
            if index:
                gradient = self._through(index, gradient)

    def input_gradient(self, gradient: Tensor) -> Tensor:
        """Gradient of the inputs (E, batch, in), given that of the outputs; the weights' stay as they are."""
        for index in reversed(range(1, len(self._layers))):
            gradient = self._through(index, gradient)
        return product(gradient, self._layers[0][0].mT)

    def _activate(self, x: Tensor) -> Tensor:
        norm = None
        if self._layer_norm:
            x, norm = normalise(x)
        self._norms.append(norm)
        return x.relu_()

    def _products(self, index: int, gradient: Tensor, slot: Tensor) -> None:
        """Gradient of a layer's weight into its slot: input by output gradient, summed over rows."""
        x = self._inputs[index][:, : gradient.shape[1]]
        if x.dtype == torch.int64:
            slot.zero_()
            for one, rows, by in zip(slot, x, gradient[..., : slot.shape[-1]], strict=True):
                one.index_add_(0, rows, by)
        elif slot.shape[-1] == 1:
            torch.sum(x * gradient, 1, out=slot[..., 0])
        elif slot.shape[-1] == gradient.shape[-1]:
            product(x.mT, gradient, out=slot)
        else:
            slot.copy_(product(x.mT, gradient)[..., : slot.shape[-1]])

    def _through(self, index: int, gradient: Tensor) -> Tensor:
        """From a layer's output to what the layer before it gave before its activation."""
        weight, norm = self._layers[index][0], self._norms[index - 1]
        if self._wide is not None and index == len(self._layers) - 1:
            weight = self._wide[0]
        gradient = gradient * weight.mT if weight.shape[-1] == 1 else product(gradient, weight.mT)
        rows = gradient.shape[1]
        gradient = passed(gradient, self._inputs[index][:, :rows], out=gradient)
        if norm is None:
            return gradient
        x, mean, inverse = (part[:, :rows].contiguous() for part in norm)
        return normalise_backward(gradient, (x, mean, inverse), None)

    def _widened(self) -> Layer:
        """The last layer with its padding, brought up to date."""
        assert self._wide is not None
        for wide, part in zip(self._wide, self._layers[-1], strict=True):
            wide[..., : self._outputs] = part
        return self._wide


def _padded(part: Tensor, extra: int, value: float) -> Tensor:
    return torch.nn.functional.pad(part, (0, extra), value=value)
