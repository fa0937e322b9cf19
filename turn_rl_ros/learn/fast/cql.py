"""Continuous CQL with gradients by hand; draws the same noise in the same order as the plain one."""

import torch
from torch import Tensor

from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Metrics, Problem
from turn_rl_ros.learn.algorithms.cql import Cql, CqlConfig
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.fast.critic import ConservativeCritic
from turn_rl_ros.learn.fast.gaussian import squash_backward
from turn_rl_ros.learn.fast.stack import Stack
from turn_rl_ros.learn.networks import split_gaussian, squash
from turn_rl_ros.learn.replay import Batch


class FastCql(Cql):
    """What `Cql` learns: from the same state a step leads to the same one, within float32 rounding."""

    def __init__(self, problem: Problem, config: TrainerConfig, own: CqlConfig) -> None:
        super().__init__(problem, config, own)
        self._conservative = ConservativeCritic(self.critic, config.precision == "bfloat16")
        self._actor, self._critic = Stack(self.actor), Stack(self.critic)

    def update(self, batch: Batch) -> Metrics:
        """Critics, actor, temperature and alpha."""
        found = self._gradients(batch)
        rate = self.config.actor_learning_rate
        rates = {"critic": self.config.learning_rate, "actor": rate, "temperature": rate}
        if self.log_alpha is not None:
            rates["alpha"] = self.config.learning_rate
        self.step(**rates)
        self.target.follow(self.critic, self.config.target_rate)
        self.average.follow(self.actor, self.config.average_rate)
        return found

    @torch.no_grad()
    def _gradients(self, batch: Batch) -> Metrics:
        """The gradients of `losses`, where Adam looks for them."""
        own, rows = self.own, batch.reward.shape[-1]
        temperature, alpha = self.log_temperature.exp(), self._alpha()
        output, noise = self._actor.forward(batch.observation), self.noise.normal(rows, self.n)
        here = split_gaussian(output)
        action, log_probability = squash(*here, noise)
        target, sampled, density = self._fixed(batch, here, temperature)
        density = density if own.variant == "h" else torch.zeros_like(density)
        found = self._conservative.gradient(batch.observation, batch.action, target, sampled, density, alpha)
        q_policy, by_action = self._improve(batch.observation, action)
        by_density = temperature[:, None, None] / rows
        self._actor.backward(squash_backward(output, noise, action, by_action / -rows, by_density))
        self._differentiate(log_probability, found.gap)
        metrics = {"td_error": found.error.mean(-1), "gap": found.gap.mean(-1), "q_data": found.q_data.mean((1, 2))}
        metrics |= {"alpha": alpha, "q_policy": q_policy.mean(-1), "entropy": -log_probability.mean(-1)}
        return {**metrics, "temperature": temperature}

    def _improve(self, observation: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """The critics' least value of these actions, (seeds, rows), and its derivative by them, (seeds, rows, n)."""
        values = self._critic.forward(torch.cat([observation, action], -1)).unflatten(0, (-1, self.critics))
        value, least = values.min(1, keepdim=True)
        chosen = torch.zeros_like(values).scatter_(1, least, 1.0).flatten(0, 1)
        by_input = self._critic.input_gradient(chosen).unflatten(0, (-1, self.critics)).sum(1)
        return value[:, 0, :, 0], by_input[..., -self.n :]

    @torch.enable_grad()
    def _differentiate(self, log_probability: Tensor, gap: Tensor) -> None:
        """Gradients of temperature and alpha, which are numbers: autograd does for them."""
        loss = eq.temperature_loss(self.log_temperature, log_probability, self.own.target_entropy * self.n)
        if self.log_alpha is not None:
            loss = loss + eq.lagrange_loss(self._alpha(), gap, self.own.allowed_gap)
        for scalar in self.scalars.values():
            assert scalar.grad is not None
            scalar.grad.zero_()
        loss.sum().backward()
