"""Random ensemble mixture (Agarwal et al. 2020): Q-learning on random mixtures of many heads."""

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
class RemConfig:
    """REM's own parameters, with the paper's values."""

    heads: int = param(200, "Q-values an action that are mixed", low=1, high=1000)


class Rem(QLearning):
    """The policy takes the arg max of the heads' mean."""

    name, Config = "rem", RemConfig

    def __init__(self, problem: Problem, config: TrainerConfig, own: Any) -> None:
        super().__init__(problem, config, own, own.heads)

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Huber error of one mixture, the same for a whole batch, of values and targets (eq. 8)."""
        share = mixture(self.noise.uniform(self.outputs))[:, None, :, None]
        with torch.no_grad():
            next_value = (self._heads(self.target(batch.next_observation)) @ share)[..., 0].amax(-1)
        heads = self._heads(self.q(batch.observation))
        taken = eq.taken_value((heads @ share)[..., 0], batch.action)
        target = self.bellman_target(batch, next_value)
        error = torch.nn.functional.huber_loss(taken, target, reduction="none").mean(-1)
        return error, self.metrics(error, heads.detach().mean(-1), batch)

    def policy(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The averaged network, with each action's heads averaged in the last layer."""
        return self.problem.inputs.fold(averaged(self.average.arrays(seed), self.outputs))

    def _heads(self, output: Tensor) -> Tensor:
        """(seeds, batch, actions, heads)."""
        return output.unflatten(-1, (self.actions, self.outputs))


def mixture(uniform: Tensor) -> Tensor:
    """Weights that are positive and sum to one (section 4.2), (..., heads), from uniform numbers of that shape."""
    return uniform / uniform.sum(-1, keepdim=True)
