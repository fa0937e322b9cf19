"""Deep Q-learning (Mnih et al. 2015) and double deep Q-learning (van Hasselt et al. 2016), without conservatism.

The error is squared as in the papers' equations; their programs also clip it, for rewards of unknown scale.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Metrics
from turn_rl_ros.learn.algorithms.q_learning import QLearning
from turn_rl_ros.learn.replay import Batch


@dataclass(frozen=True)
class DqnConfig:
    """Nothing of its own: steps, rates and discount are those of every algorithm."""


class Dqn(QLearning):
    """The target network both chooses and values the next action."""

    name, Config = "dqn", DqnConfig

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Squared Bellman error."""
        with torch.no_grad():
            next_value = self.next_value(batch)
        values = self.q(batch.observation)
        error = eq.squared_error(eq.taken_value(values, batch.action), self.bellman_target(batch, next_value))
        return error, self.metrics(error, values, batch)

    def next_value(self, batch: Batch) -> Tensor:
        """Value of the next state, (seeds, batch)."""
        return self.target(batch.next_observation).amax(-1)


class DoubleDqn(Dqn):
    """The online network chooses the next action, the target network values it."""

    name = "double_dqn"

    def next_value(self, batch: Batch) -> Tensor:
        """Value of the next state, (seeds, batch)."""
        return eq.double_q_value(self.q(batch.next_observation), self.target(batch.next_observation))
