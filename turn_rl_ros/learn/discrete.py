"""Discrete CQL: double deep Q-learning with the conservative gap (Kumar et al. 2020, eq. 4)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.networks import arrays_of, copied, follow, forward, make_layers, parameters
from turn_rl_ros.learn.replay import Batch


class DiscreteCql:
    """`config.ensemble` Q-networks side by side, each with its own target; the policy is the arg max of their mean."""

    kind = "argmax_q"
    algorithm = "discrete_cql"

    def __init__(self, spec: TaskSpec, sample: Batch, config: TrainerConfig, generator: torch.Generator) -> None:
        self._config = config
        self._low, self._high = eq.return_bounds(sample.reward, config.discount)
        self._sizes = [round(high) + 1 for high in spec.observation.high] if config.one_hot else []
        inputs = int(np.prod(self._sizes)) if config.one_hot else spec.observation.size
        self._mean, self._std = sample.observation.mean(0), eq.spread(sample.observation)
        hidden = [config.width] * 2 if config.width else []
        self._online = make_layers(config.ensemble, [inputs, *hidden, spec.action.size], generator)
        self._target, self._average = copied(self._online), copied(self._online)
        self._adam = torch.optim.Adam(parameters(self._online), lr=config.learning_rate, fused=True)

    def update(self, batch: Batch, rate: float) -> dict[str, Tensor]:
        """One gradient step with step size `rate`."""
        self._adam.param_groups[0]["lr"] = rate
        config = self._config
        with torch.no_grad():
            after = (
                self.values(self._online, batch.next_observation),
                self.values(self._target, batch.next_observation),
            )
            next_value = eq.double_q_value(*after)
            target = eq.bootstrap(batch.reward, batch.terminal, next_value, config.discount).clamp(
                self._low, self._high
            )
        values = self.values(self._online, batch.observation)
        taken = eq.taken_value(values, batch.action)
        error = eq.squared_error(taken, target)
        gap = eq.discrete_gap(values, batch.action).mean(-1)
        self._adam.zero_grad()
        (error + config.alpha * gap.sum()).backward()
        self._adam.step()
        follow(self._target, self._online, config.target_rate)
        follow(self._average, self._online, config.average_rate)
        return {"bellman_error": error.detach(), "gap": gap.detach().mean(), "value": taken.detach().mean()}

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The averaged networks, for `core.policy.ArgmaxPolicy`, with the normalisation in the first layer."""
        if self._sizes:
            return {**arrays_of(self._average), "one_hot": np.array(self._sizes, dtype=np.float32)}
        (weight, bias), *rest = self._average
        scaled = weight / self._std[:, None]
        return arrays_of([(scaled, bias - (self._mean @ scaled)[:, None]), *rest])

    def values(self, layers: list, observation: Tensor) -> Tensor:
        """Action values, (E, batch, n_actions)."""
        if not self._sizes:
            return forward(layers, (observation - self._mean) / self._std)
        index = torch.zeros(len(observation), dtype=torch.int64)
        for column, size in enumerate(self._sizes):
            index = index * size + observation[:, column].round().long().clamp(0, size - 1)
        (weight, bias), *rest = layers
        first = weight[:, index] + bias
        return forward(rest, first.relu()) if rest else first
