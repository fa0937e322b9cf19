"""TD3+BC (Fujimoto and Gu 2021): deep deterministic policy gradients that stay close to the data's actions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from turn_rl_ros.core.config import param
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.actor_critic import ActorCritic
from turn_rl_ros.learn.algorithms.base import Metrics, Problem
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.replay import Batch


@dataclass(frozen=True)
class Td3BcConfig:
    """TD3+BC's own parameters, with the paper's values (table 3); actions lie in [-1, 1]."""

    alpha: float = param(2.5, "weight of the value against imitation, once values are normalised", low=0.0, high=1e3)
    policy_noise: float = param(0.2, "standard deviation of the noise on the target's action", low=0.0, high=1.0)
    noise_clip: float = param(0.5, "most that this noise may be", low=0.0, high=2.0)
    policy_every: int = param(2, "critic steps for each step of actor and targets", unit="steps", low=1, high=100)


class Td3Bc(ActorCritic):
    """A deterministic actor; it and all targets move every `policy_every`-th step."""

    name, Config = "td3_bc", Td3BcConfig

    def __init__(self, problem: Problem, config: TrainerConfig, own: Td3BcConfig) -> None:
        super().__init__(problem, config, own, outputs=1)
        self.actor_target = self.follower("actor_target", self.actor)

    def update(self, batch: Batch) -> Metrics:
        """Critics, and when it is time actor and targets."""
        due = self._due()
        loss, found = self.losses(batch)
        rates = {"critic": self.config.learning_rate}
        self.descend(loss, **rates, **({"actor": self.config.actor_learning_rate} if due else {}))
        if due:
            self.target.follow(self.critic, self.config.target_rate)
            self.actor_target.follow(self.actor, self.config.target_rate)
            self.average.follow(self.actor, self.config.average_rate)
        return found

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Half the squared error of clipped double Q-learning; when it is time also the actor's, `_actor_loss`."""
        with torch.no_grad():
            there = self._smoothed(self.actor_target(batch.next_observation).tanh())
            next_value = self.values(self.target, batch.next_observation, there).amin(1)
        q_data = self.values(self.critic, batch.observation, batch.action)
        error = eq.squared_error(q_data, self.bellman_target(batch, next_value)[:, None])
        found = {"td_error": error.mean(-1), "q_data": q_data.mean((1, 2))}
        if not self._due():
            return error.sum(-1), found
        policy_loss, q_policy = self._actor_loss(batch)
        return error.sum(-1) + policy_loss, {**found, "q_policy": q_policy.mean(-1), "policy_loss": policy_loss}

    def _actor_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Eqs. 3 and 4: `imitation - alpha * mean Q / mean |Q|`, (seeds,), and Q of the policy, (seeds, rows)."""
        action = self.actor(batch.observation).tanh()
        q_policy = self.values(self.critic, batch.observation, action, fixed=True)[:, 0]
        weight = self.own.alpha / q_policy.detach().abs().mean(-1)
        return eq.imitation_error(action, batch.action) - weight * q_policy.mean(-1), q_policy

    def _smoothed(self, action: Tensor) -> Tensor:
        """Target policy smoothing (Fujimoto et al. 2018, eq. 14)."""
        clip = self.own.noise_clip
        noise = (self.own.policy_noise * self.noise.normal(*action.shape[1:])).clamp(-clip, clip)
        return (action + noise).clamp(-1.0, 1.0)

    def _due(self) -> bool:
        return (self.taken("critic") + 1) % self.own.policy_every == 0
