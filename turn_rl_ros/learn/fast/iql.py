"""Implicit Q-learning with gradients by hand."""

import torch

from turn_rl_ros.core.best_of import LOG_STD_HIGH, LOG_STD_LOW
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Metrics, Problem
from turn_rl_ros.learn.algorithms.iql import Iql, IqlConfig
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.fast.stack import Stack
from turn_rl_ros.learn.replay import Batch


class FastIql(Iql):
    """What `Iql` learns: from the same state a step leads to the same one, within float32 rounding."""

    def __init__(self, problem: Problem, config: TrainerConfig, own: IqlConfig) -> None:
        super().__init__(problem, config, own)
        self._value, self._critic, self._actor = Stack(self.state_value), Stack(self.critic), Stack(self.actor)
        self._target = Stack(self.target)

    def update(self, batch: Batch) -> Metrics:
        """Value, critics, actor."""
        found = self._gradients(batch)
        critic, actor = self.config.learning_rate, self.config.actor_learning_rate
        self.step(value=critic, critic=critic, actor=actor, log_std=actor)
        self.target.follow(self.critic, self.config.target_rate)
        self.average.follow(self.actor, self.config.average_rate)
        return found

    @torch.no_grad()
    def _gradients(self, batch: Batch) -> Metrics:
        """The gradients of `losses`, where Adam looks for them."""
        own, rows = self.own, batch.reward.shape[-1]
        both = self._value.forward(torch.cat([batch.observation, batch.next_observation], 1))[..., 0]
        value, target = both[:, :rows], self.bellman_target(batch, both[:, rows:])
        x = torch.cat([batch.observation, batch.action], -1)
        q_target = self._target.forward(x).unflatten(0, (-1, self.critics))[..., 0].amin(1)
        q_data = self._critic.forward(x).unflatten(0, (-1, self.critics))[..., 0]
        difference = q_data - target[:, None]
        self._critic.backward(difference.flatten(0, 1)[..., None] / rows)

        advantage = q_target - value
        above = torch.where(advantage < 0, 1.0 - own.expectile, own.expectile)
        self._value.backward((above * advantage)[..., None] * (-2.0 / rows))

        mean = self._actor.forward(batch.observation).tanh_()
        log_std = self.log_std[:, None].clamp(LOG_STD_LOW, LOG_STD_HIGH)
        weight = eq.advantage_weight(advantage, own.beta, own.greatest_weight)
        policy_loss = -(weight * eq.gaussian_log_density(batch.action, mean, log_std)).mean(-1)
        error, share = (batch.action - mean) * (-log_std).exp(), (weight / rows)[..., None]
        self._actor.backward(error * (-log_std).exp() * share * (mean.square() - 1.0))
        inside = (self.log_std >= LOG_STD_LOW) & (self.log_std <= LOG_STD_HIGH)
        assert self.log_std.grad is not None
        self.log_std.grad.copy_((share * (1.0 - error.square())).sum(1) * inside)
        td_error = 0.5 * difference.square().mean((1, 2))
        found = {"td_error": td_error, "q_data": q_data.mean((1, 2)), "value": value.mean(-1)}
        return {**found, "advantage": advantage.mean(-1), "policy_loss": policy_loss}
