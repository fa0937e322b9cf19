"""Advantage-weighted actor-critic (Nair et al. 2020): imitate each action as much as it is better than the policy's."""

from dataclasses import dataclass

import torch
from torch import Tensor

from turn_rl_ros.core.best_of import LOG_STD_HIGH, LOG_STD_LOW
from turn_rl_ros.core.config import param
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.actor_critic import ActorCritic
from turn_rl_ros.learn.algorithms.base import Metrics, Problem
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.replay import Batch


@dataclass(frozen=True)
class AwacConfig:
    """AWAC's own parameters, with the values of the authors' program for state observations."""

    temperature: float = param(
        1.0, "how much better an action must be to count e times as much (lambda)", unit="reward", low=1e-6, high=1e6
    )
    greatest_weight: float = param(100.0, "most that one action counts in the policy", low=1.0, high=1e6)


class Awac(ActorCritic):
    """Critics of the policy's own actions; the actor is a Gaussian about its squashed mean, equally wide anywhere.

    The weights are eq. 13's without its normaliser Z, which the paper drops, and limited as in IQL.
    """

    name, Config = "awac", AwacConfig

    def __init__(self, problem: Problem, config: TrainerConfig, own: AwacConfig) -> None:
        super().__init__(problem, config, own, outputs=1)
        self.log_std = self.scalar("log_std", 0.0, self.n)

    def update(self, batch: Batch) -> Metrics:
        """Critics and actor."""
        loss, found = self.losses(batch)
        actor = self.config.actor_learning_rate
        self.descend(loss, critic=self.config.learning_rate, actor=actor, log_std=actor)
        self.target.follow(self.critic, self.config.target_rate)
        self.average.follow(self.actor, self.config.average_rate)
        return found

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Half the squared error of `Q = r + discount * Q(s', pi(s'))` (algorithm 1) and eq. 13 for the actor."""
        mean = self.actor(batch.observation).tanh()
        log_std = self.log_std[:, None].clamp(LOG_STD_LOW, LOG_STD_HIGH)
        with torch.no_grad():
            there = self._drawn(self.actor(batch.next_observation).tanh(), log_std)
            next_value = self.values(self.target, batch.next_observation, there).amin(1)
            q_policy = self.values(self.critic, batch.observation, self._drawn(mean, log_std)).amin(1)
        q_data = self.values(self.critic, batch.observation, batch.action)
        error = eq.squared_error(q_data, self.bellman_target(batch, next_value)[:, None])
        advantage = q_data.detach().amin(1) - q_policy
        weight = eq.advantage_weight(advantage, 1.0 / self.own.temperature, self.own.greatest_weight)
        policy_loss = -(weight * eq.gaussian_log_density(batch.action, mean, log_std)).mean(-1)
        found = {"td_error": error.mean(-1), "q_data": q_data.mean((1, 2)), "q_policy": q_policy.mean(-1)}
        return error.sum(-1) + policy_loss, {**found, "advantage": advantage.mean(-1), "policy_loss": policy_loss}

    def _drawn(self, mean: Tensor, log_std: Tensor) -> Tensor:
        """Actions of the policy, (seeds, rows, n), within the bounds."""
        return (mean + log_std.exp() * self.noise.normal(*mean.shape[1:])).clamp(-1.0, 1.0)
