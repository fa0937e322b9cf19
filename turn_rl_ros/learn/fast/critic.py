"""The gradient of continuous CQL's critic loss, by hand, over tiles of states that stay in cache.

The loss is `squared_error + alpha * gap` of `learn.equations`, over each state's data action and the sampled ones. With
a critic's weights w1 (its rows w1s for the state, w1a for the action), w2 and w3, three things make it fast:

* All actions of a state share the state's product with w1s: it is computed once a state, and its gradient as well.
* Q has one output. Each row's gradient is therefore its weight in the loss, g, times a vector that all rows share:
  the product with w3 moves out of the rows into w2, and `passed(g, h2)` is the whole gradient of the second layer.
* Forward and backward of a tile follow each other while its activations are still in cache, and nothing is kept.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from turn_rl_ros.learn.fast.tiles import TILE_BYTES, TiledCritic
from turn_rl_ros.learn.networks import Network


@dataclass(frozen=True)
class Critique:
    """What the gradient's forward pass saw."""

    error: Tensor
    """(seeds, critics): `equations.squared_error`."""
    gap: Tensor
    """(seeds, critics): mean `equations.sampled_gap`."""
    q_data: Tensor
    """(seeds, critics, batch): values of the actions in the data."""


class ConservativeCritic:
    """Gradients for a `Network` of critics with two hidden layers; scratch memory is kept from step to step."""

    def __init__(self, critic: Network, half: bool = False) -> None:
        """Bind to the critic whose gradient buffer is to be filled.

        Args:
            critic: learnable, with sizes (observation + action, width, width, 1).
            half: products and activations in bfloat16; weights, values and gradient sums stay float32.
        """
        self._critic = critic
        self._type = torch.bfloat16 if half else critic.values.dtype
        self._scratch: list[Tensor] = []

    @torch.no_grad()
    def gradient(
        self, observation: Tensor, action: Tensor, target: Tensor, sampled: Tensor, density: Tensor, alpha: Tensor
    ) -> Critique:
        """Overwrite the critics' gradients with those of `squared_error + alpha * gap`, meant over the batch.

        Args:
            observation: (seeds, batch, observation).
            action: (seeds, batch, n), the data's.
            target: (seeds, batch) Bellman targets.
            sampled: (seeds, samples, rows, n) actions that compete, for the first `rows` of the batch.
            density: (seeds, samples, rows) their log densities; zeros give CQL(rho).
            alpha: (seeds,) weight of the gap.
        """
        critics, samples, some = self._critic.copies, *density.shape[1:]
        self._make_room(1 + samples)
        # The data's action comes first; its offset of -inf keeps it out of the competition.
        actions = torch.cat([action[:, :some, None], sampled.transpose(1, 2)], 2)
        offset = torch.nn.functional.pad(-density.mT, (1, 0), value=-math.inf)
        shape = (len(target), critics, some, 1 + samples)
        values, q_data = target.new_empty(shape), target.new_empty(len(target), critics, target.shape[1])
        for row in range(len(target) * critics):
            s, c = divmod(row, critics)
            tiled = TiledCritic(self._critic, row, self._type, observation[s], self._scratch)
            loss = _Loss(target[s], offset[s], float(alpha[s]))
            values[s, c] = tiled.learn(slice(0, some), actions[s], loss.compete)
            q_data[s, c, :some] = values[s, c, :, 0]
            q_data[s, c, some:] = tiled.learn(slice(some, None), action[s, some:, None], loss.fit)[:, 0]
            tiled.finish()
        gap = (values + offset[:, None]).logsumexp(-1) - math.log(samples) - values[..., 0]
        error = 0.5 * (q_data - target[:, None]).square().mean(-1)
        return Critique(error, gap.mean(-1), q_data)

    def _make_room(self, each: int) -> None:
        """Scratch memory for tiles of at least one state with this many actions."""
        width = self._critic.sizes[1]
        rows = max(each, TILE_BYTES // (width * self._type.itemsize))
        if not self._scratch or len(self._scratch[0]) < rows:
            self._scratch = [torch.empty(rows, width, dtype=self._type) for _ in range(3)]


class _Loss:
    """Derivatives of one seed's loss with respect to the values of its states' actions."""

    def __init__(self, target: Tensor, offset: Tensor, alpha: float) -> None:
        self._target, self._offset, self._alpha = target, offset, alpha / len(offset)

    def fit(self, states: slice, values: Tensor) -> Tensor:
        """Of the squared error alone; (states, 1)."""
        return (values - self._target[states, None]).div_(len(self._target))

    def compete(self, states: slice, values: Tensor) -> Tensor:
        """Of the squared error and the gap; (states, 1 + samples), the data's action first."""
        weights = (values + self._offset[states]).softmax(1).mul_(self._alpha)
        weights[:, :1] += self.fit(states, values[:, :1]).sub_(self._alpha)
        return weights
