"""One critic at one step: values of many actions a state, and their gradient, a tile of states at a time."""

from collections.abc import Callable

import torch
from torch import Tensor

from turn_rl_ros.learn.fast.kernels import Normalised, normalise, normalise_backward, passed, relu_
from turn_rl_ros.learn.networks import Network

TILE_BYTES = 2**21
"""Memory of one activation of a tile: small enough for the cache, large enough that calls are not what costs."""

Weigh = Callable[[slice, Tensor], Tensor]
"""(states, their values (states, actions a state)) -> the loss's derivative with respect to each value."""


class TiledCritic:
    """Weights of one critic in the type of the products, its gradients, and what all tiles share.

    Adds to the gradients of all weights but those of the states; `finish` adds these and must be called once, last.
    """

    def __init__(self, critic: Network, row: int, kind: torch.dtype, states: Tensor, scratch: list[Tensor]) -> None:
        """Take the critic's row `row` and set its gradients to zero.

        Args:
            critic: learnable, sizes (state + action, width, width, 1).
            row: which network of the stack.
            kind: type of products and activations.
            states: (states, state).
            scratch: three of (rows, width) in `kind`, overwritten.
        """
        (w1, b1), (w2, b2), (w3, self._b3) = ((weight[row], bias[row, 0]) for weight, bias in critic.layers)
        slots = [part.grad[row].zero_() for layer in critic.layers for part in layer if part.grad is not None]
        self._dw1, self._db1, self._dw2, self._db2, self._dw3, self._db3 = slots
        self._states, self._size = states, states.shape[1]
        self._scratch, self._layer_norm = scratch, critic.layer_norm
        self._of_state = torch.addmm(b1, states, w1[: self._size]).to(kind)
        self._to_state = torch.empty_like(self._of_state, dtype=w1.dtype)
        self._shared = w3[:, 0]
        self._w1a, self._w2, self._b2, self._w3 = (x.to(kind) for x in (w1[self._size :], w2, b2, self._shared))
        # A layer norm's gradient takes w3 as its scale; without one w3 moves out of the rows, into w2.
        self._back = (w2 if critic.layer_norm else w2 * self._shared).to(kind).t()

    def learn(self, states: slice, actions: Tensor, weigh: Weigh) -> Tensor:
        """Values of actions (states, actions a state, n) in `states`; adds the gradient that `weigh` asks for."""
        count, each, _ = actions.shape
        values = torch.empty(count, each, dtype=self._b3.dtype)
        actions = actions.to(self._w2.dtype)
        step = max(1, len(self._scratch[0]) // each)
        for start in range(0, count, step):
            part = slice(start, min(start + step, count))
            self._tile(slice(states.start + part.start, states.start + part.stop), actions[part], values[part], weigh)
        return values

    def finish(self) -> None:
        """Add the gradient of the first layer's state part, and the scale that the tiles left out."""
        torch.mm(self._states.t(), self._to_state, out=self._dw1[: self._size])
        torch.sum(self._to_state, 0, keepdim=True, out=self._db1)
        if not self._layer_norm:
            # With d2 = g where h2 > 0: sum of g h2 = sum of d2 (h1 w2 + b2), in which all rows are summed already.
            self._dw3[:, 0] = (self._dw2 * self._w2).sum(0) + self._db2[0] * self._b2
            self._dw2.mul_(self._shared)
            self._db2.mul_(self._shared)

    def _tile(self, states: slice, actions: Tensor, values: Tensor, weigh: Weigh) -> None:
        x = actions.flatten(0, 1)
        h1, h2, other = (one[: len(x)] for one in self._scratch)
        of_states = h1.view(*actions.shape[:2], -1)
        torch.mm(x, self._w1a, out=h1)
        torch.add(of_states, self._of_state[states, None], out=of_states)
        h1, norm1 = self._activate(h1)
        torch.addmm(self._b2, h1, self._w2, out=h2)
        h2, norm2 = self._activate(h2)
        torch.mul(h2, self._w3, out=other)
        torch.add(other.sum(-1, dtype=values.dtype).view_as(values), self._b3, out=values)

        asked = weigh(states, values)
        self._db3 += asked.sum()
        each = asked.view(-1, 1).to(x.dtype)
        if self._layer_norm:
            self._dw3 += torch.mul(h2, each, out=other).sum(0)[:, None]
        d2 = self._deactivate(passed(each.expand_as(h2), h2, out=h2), norm2, self._w3)
        self._db2 += d2.sum(0)
        _add_product(self._dw2, h1.t(), d2)
        d1 = self._deactivate(passed(torch.mm(d2, self._back, out=other), h1, out=other), norm1, None)
        self._to_state[states] = d1.view_as(of_states).sum(1)
        _add_product(self._dw1[self._size :], x.t(), d1)

    def _activate(self, x: Tensor) -> tuple[Tensor, Normalised | None]:
        if not self._layer_norm:
            return relu_(x), None
        out, norm = normalise(x)
        return relu_(out), norm

    def _deactivate(self, gradient: Tensor, norm: Normalised | None, scale: Tensor | None) -> Tensor:
        return gradient if norm is None else normalise_backward(gradient, norm, scale)


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """`total += a @ b`, where the sum stays in the type of `total`."""
    if a.dtype == total.dtype:
        torch.addmm(total, a, b, out=total)
    else:
        total += torch.mm(a, b)
