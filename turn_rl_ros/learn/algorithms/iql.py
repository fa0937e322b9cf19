"""Implicit Q-learning (Kostrikov et al. 2022): values of the data's better actions, without asking for any other."""

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
class IqlConfig:
    """IQL's own parameters, with the paper's values for locomotion (section 5)."""

    expectile: float = param(
        0.7, "which expectile of the data's action values a state is worth (tau); 0.5: their mean", low=0.5, high=0.9999
    )
    beta: float = param(
        3.0, "how sharply the policy prefers the better actions (inverse temperature)", low=0.0, high=1e3
    )
    greatest_weight: float = param(100.0, "most that one action counts in the policy", low=1.0, high=1e6)


class Iql(ActorCritic):
    """A state value beside actor and critics; the actor is a Gaussian about its squashed mean, equally wide anywhere.

    So it is in the authors' program, and so the delivered mean is the action that imitation aims at.
    """

    name, Config = "iql", IqlConfig

    def __init__(self, problem: Problem, config: TrainerConfig, own: IqlConfig) -> None:
        super().__init__(problem, config, own, outputs=1)
        self.state_value = self.network("value", 1, layer_norm=config.layer_norm)
        self.start_at_mean(self.state_value)
        self.log_std = self.scalar("log_std", 0.0, self.n)

    def update(self, batch: Batch) -> Metrics:
        """Value, critics, actor."""
        loss, found = self.losses(batch)
        critic, actor = self.config.learning_rate, self.config.actor_learning_rate
        self.descend(loss, value=critic, critic=critic, actor=actor, log_std=actor)
        self.target.follow(self.critic, self.config.target_rate)
        self.average.follow(self.actor, self.config.average_rate)
        return found

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Eq. 5 for the value, eq. 6 (halved) for the critics, eq. 7 for the actor."""
        own = self.own
        with torch.no_grad():
            target = self.bellman_target(batch, self.state_value(batch.next_observation)[..., 0])
            q_target = self.values(self.target, batch.observation, batch.action).amin(1)
        value = self.state_value(batch.observation)[..., 0]
        q_data = self.values(self.critic, batch.observation, batch.action)
        error = eq.squared_error(q_data, target[:, None])
        advantage = q_target - value
        weight = eq.advantage_weight(advantage, own.beta, own.greatest_weight)
        mean = self.actor(batch.observation).tanh()
        log_std = self.log_std[:, None].clamp(LOG_STD_LOW, LOG_STD_HIGH)
        policy_loss = -(weight * eq.gaussian_log_density(batch.action, mean, log_std)).mean(-1)
        loss = eq.expectile_loss(advantage, own.expectile) + error.sum(-1) + policy_loss
        found = {"td_error": error.mean(-1), "q_data": q_data.mean((1, 2)), "value": value.mean(-1)}
        return loss, {**found, "advantage": advantage.mean(-1), "policy_loss": policy_loss}
