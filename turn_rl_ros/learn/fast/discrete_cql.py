"""Discrete CQL with gradients by hand, for networks so small that the number of calls is what costs."""

import torch
from torch import Tensor

from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Metrics, Problem
from turn_rl_ros.learn.algorithms.discrete_cql import DiscreteCql, DiscreteCqlConfig
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.fast.later import Later
from turn_rl_ros.learn.fast.stack import Stack
from turn_rl_ros.learn.replay import Batch


class FastDiscreteCql(DiscreteCql):
    """What `DiscreteCql` learns: from the same state a step leads to the same one, within float32 rounding."""

    def __init__(self, problem: Problem, config: TrainerConfig, own: DiscreteCqlConfig) -> None:
        super().__init__(problem, config, own)
        self._q, self._target = Stack(self.q, pad=True), Stack(self.target, pad=True)

    @torch.no_grad()
    def update(self, batch: Batch) -> Metrics:
        """The network, then its followers."""
        rows, alpha, index = batch.reward.shape[-1], self.alpha, batch.action[..., None]
        both = self._q.forward(torch.cat([batch.observation, batch.next_observation], 1))
        values, next_values = both[:, :rows], both[:, rows:]
        next_value = eq.double_q_value(next_values, self._target.forward(batch.next_observation))
        taken = values.gather(-1, index)
        difference = taken - self.bellman_target(batch, next_value)[..., None]
        # The gap's derivative is the softmax, less 1 for the action taken; the squared error's is the difference.
        gradient = values.softmax(-1).mul_(alpha).scatter_add_(-1, index, difference - alpha).div_(rows)
        self._q.backward(gradient)
        self.step(**self.rates())
        self.target.follow(self.q, self.config.target_rate)
        self.average.follow(self.q, self.config.average_rate)

        def metrics() -> dict[str, Tensor]:
            error = 0.5 * difference.square().mean((1, 2))
            found = {**self.metrics(error, values, batch), "gap": eq.discrete_gap(values, batch.action).mean(-1)}
            return {**found, "alpha": torch.full_like(error, alpha)}

        return Later(metrics)
