"""Quantile-regression DQN (Dabney et al. 2018): N quantiles of each action's return."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.config import param
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Metrics, Problem
from turn_rl_ros.learn.algorithms.q_learning import QLearning, averaged
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.replay import Batch


@dataclass(frozen=True)
class QrDqnConfig:
    """QR-DQN's own parameters, with the paper's values."""

    quantiles: int = param(200, "quantiles of an action's return", low=1, high=1000)
    kappa: float = param(1.0, "error beyond which the Huber loss is linear", unit="reward", low=1e-6, high=1e6)


class QrDqn(QLearning):
    """The policy takes the arg max of the quantiles' mean."""

    name, Config = "qr_dqn", QrDqnConfig

    def __init__(self, problem: Problem, config: TrainerConfig, own: Any) -> None:
        super().__init__(problem, config, own, own.quantiles)

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Quantile regression of the Bellman target's samples (algorithm 1)."""
        with torch.no_grad():
            after = self._quantiles(self.target(batch.next_observation))
            target = self.bellman_target(batch, eq.taken_value(after, after.mean(-2).argmax(-1)[..., None]))
        quantiles = self._quantiles(self.q(batch.observation))
        error = quantile_huber(eq.taken_value(quantiles, batch.action[..., None]), target, self.own.kappa).mean(-1)
        return error, self.metrics(error, quantiles.mean(-2), batch)

    def policy(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The averaged network, with each action's quantiles averaged in the last layer."""
        return self.problem.inputs.fold(averaged(self.average.arrays(seed), self.outputs))

    def _quantiles(self, output: Tensor) -> Tensor:
        """(seeds, batch, quantiles, actions): an action's quantiles are taken as its value is."""
        return output.unflatten(-1, (self.actions, self.outputs)).transpose(-1, -2)


def quantile_huber(quantiles: Tensor, samples: Tensor, kappa: float) -> Tensor:
    """Huber quantile regression loss (eq. 10), summed over quantiles, averaged over samples.

    Args:
        quantiles: (..., N) estimates at the levels (i - 1/2) / N.
        samples: (..., M) of the target.
        kappa: where the Huber loss becomes linear.

    Returns:
        (...).
    """
    count = quantiles.shape[-1]
    level = (torch.arange(count, dtype=quantiles.dtype) + 0.5) / count
    error = samples[..., None, :] - quantiles[..., :, None]
    huber = torch.where(error.abs() <= kappa, 0.5 * error.square(), kappa * (error.abs() - 0.5 * kappa))
    weight = (level[:, None] - (error.detach() < 0).to(error.dtype)).abs()
    return (weight * huber).mean(-1).sum(-1)
