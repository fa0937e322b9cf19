"""Continuous CQL: soft actor-critic with the conservative gap CQL(H) (Kumar et al. 2020)."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.networks import (
    arrays_of,
    copied,
    follow,
    forward,
    frozen,
    make_layers,
    parameters,
    split_gaussian,
    squash,
)
from turn_rl_ros.learn.replay import Batch

CRITICS = 2
FIRST_TEMPERATURE = 0.1
"""Weight of the entropy at the start, in units of reward; from there it regulates itself."""


class ContinuousCql:
    """Actor, twin critics and temperature; actions in [-1, 1], observations normalised here."""

    kind = "tanh_mlp"
    algorithm = "cql"

    def __init__(self, spec: TaskSpec, sample: Batch, config: TrainerConfig, generator: torch.Generator) -> None:
        self._config = config
        self._generator = generator
        self._mean = sample.observation.mean(0)
        self._std = eq.spread(sample.observation)
        observations, self._n = spec.observation.size, spec.action.size
        hidden = [config.width] * 2
        self._actor = make_layers(1, [observations, *hidden, 2 * self._n], generator)
        self._critic = make_layers(CRITICS, [observations + self._n, *hidden, 1], generator)
        self._low, self._high = eq.return_bounds(sample.reward, config.discount)
        with torch.no_grad():  # start at the value of receiving the mean reward for ever, not at zero
            self._critic[-1][1].fill_(sample.reward.mean() / (1.0 - config.discount))
        self._target, self._average = copied(self._critic), copied(self._actor)
        self._log_temperature = torch.tensor(math.log(FIRST_TEMPERATURE), requires_grad=True)
        self._adam = torch.optim.Adam(
            [*parameters(self._actor), *parameters(self._critic), self._log_temperature],
            lr=config.learning_rate,
            fused=True,
        )

    def update(self, batch: Batch, rate: float) -> dict[str, Tensor]:
        """One gradient step with step size `rate` on critics, actor and temperature."""
        self._adam.param_groups[0]["lr"] = rate
        here = (batch.observation - self._mean) / self._std
        there = (batch.next_observation - self._mean) / self._std
        rows = len(here)
        temperature = self._log_temperature.exp().detach()
        mean, log_std = split_gaussian(forward(self._actor, here)[0])
        action, log_probability = squash(mean, log_std, self._normal(rows))
        with torch.no_grad():
            next_mean, next_log_std = split_gaussian(forward(self._actor, there)[0])
            next_action, next_log_probability = squash(next_mean, next_log_std, self._normal(rows))
            next_value = forward(self._target, torch.cat([there, next_action], -1), normalise=True)[..., 0].amin(0)
            target = eq.bootstrap(
                batch.reward, batch.terminal, next_value - temperature * next_log_probability, self._config.discount
            )
            target = target.clamp(self._low, self._high)
            inputs, log_density = self._proposals(here, (mean, log_std), (next_mean, next_log_std))
        inputs = torch.cat([torch.cat([here, batch.action], -1), inputs])
        values = forward(self._critic, inputs, normalise=True)[..., 0]
        some = log_density.shape[1]
        gap = eq.sampled_gap(values[:, rows:].view(CRITICS, -1, some), log_density, values[:, :some]).mean(-1)
        error = eq.squared_error(values[:, :rows], target)
        critic_loss = error + self._config.alpha * gap.sum()
        value = forward(frozen(self._critic), torch.cat([here, action], -1), normalise=True)[..., 0].amin(0)
        actor_loss = eq.actor_loss(value, log_probability, temperature)
        wanted = self._config.target_entropy * self._n
        self._adam.zero_grad()
        (critic_loss + actor_loss + eq.temperature_loss(self._log_temperature, log_probability, wanted)).backward()
        self._adam.step()
        follow(self._target, self._critic, self._config.target_rate)
        follow(self._average, self._actor, self._config.average_rate)
        return {
            "bellman_error": error.detach(),
            "gap": gap.detach().mean(),
            "value": value.detach().mean(),
            "entropy": -log_probability.detach().mean(),
            "temperature": temperature,
        }

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The averaged actor's mean, as `core.policy.TanhPolicy` takes it."""
        *hidden, (weight, bias) = self._average
        layers = [*hidden, (weight[..., : self._n], bias[..., : self._n])]
        return {**arrays_of(layers), "obs_mean": self._mean.numpy(), "obs_std": self._std.numpy()}

    def _proposals(
        self, here: Tensor, policy: tuple[Tensor, Tensor], next_policy: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Critic inputs (3 samples * rows, ...) and their log densities (3 samples, rows) for the conservative gap."""
        rows, samples = min(len(here), self._config.conservative_rows), self._config.action_samples
        uniform = torch.rand(samples, rows, self._n, generator=self._generator) * 2.0 - 1.0
        drawn = [squash(m[:rows], s[:rows], self._normal(samples, rows)) for m, s in (policy, next_policy)]
        action = torch.cat([uniform, *(a for a, _ in drawn)])
        density = torch.cat([torch.full((samples, rows), eq.uniform_log_density(self._n)), *(p for _, p in drawn)])
        states = here[:rows].expand(3 * samples, -1, -1)
        return torch.cat([states, action], -1).flatten(0, 1), density

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, self._n, generator=self._generator)
