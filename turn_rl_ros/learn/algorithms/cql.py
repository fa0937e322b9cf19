"""Conservative Q-learning for continuous actions: CQL(H) and CQL(rho) on soft actor-critic (Kumar et al. 2020)."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.config import param
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.actor_critic import ActorCritic
from turn_rl_ros.learn.algorithms.base import Metrics, Problem
from turn_rl_ros.learn.config import BEST_OF_K, TrainerConfig
from turn_rl_ros.learn.conservatism import choose_alpha
from turn_rl_ros.learn.networks import split_gaussian, squash
from turn_rl_ros.learn.replay import Batch

ALPHA_HIGH = 1e6
"""Where a learned alpha ends, as in the authors' program."""


@dataclass(frozen=True)
class CqlConfig:
    """CQL's own parameters, with the paper's values."""

    alpha: float = param(
        5.0,
        "weight of the conservative gap against the squared Bellman error; where Lagrange starts",
        low=0.0,
        high=1e3,
    )
    alpha_rule: str = param(
        "fixed",
        "what sets alpha: fixed; lagrange: the gap; adaptive: the data",
        choices=("fixed", "lagrange", "adaptive"),
    )
    allowed_gap: float = param(5.0, "Lagrange: the gap that alpha aims at (tau in the paper)", low=-1e6, high=1e6)
    variant: str = param(
        "h", "h: all actions compete, CQL(H); rho: those of the current policy, CQL(rho)", choices=("h", "rho")
    )
    action_samples: int = param(
        10, "actions drawn from each of: uniform, policy here, policy at the next state", low=1, high=100
    )
    gap_rows: int = param(0, "rows of a batch on which the gap is estimated; 0: all", low=0, high=65536)
    first_temperature: float = param(1.0, "weight of the entropy at the start", low=1e-6, high=100.0)
    target_entropy: float = param(
        -1.0, "entropy that the policy aims at, per action dimension", unit="nats", low=-10.0, high=1.0
    )
    entropy_backup: bool = param(False, "the value of the next state counts the policy's entropy there")


class Cql(ActorCritic):
    """Soft actor-critic with the conservative gap; temperature and, with `alpha_rule` lagrange, alpha are learned."""

    name, Config, proposes = "cql", CqlConfig, True

    def __init__(self, problem: Problem, config: TrainerConfig, own: CqlConfig) -> None:
        super().__init__(problem, config, own, outputs=2)
        self.log_temperature = self.scalar("temperature", math.log(own.first_temperature))
        self.alpha = choose_alpha(own.alpha_rule, own.alpha, problem)
        self.log_alpha = self.scalar("alpha", math.log(max(own.alpha, 1e-6))) if own.alpha_rule == "lagrange" else None

    def policy(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The averaged actor's mean; with `extract` best_of_k its deviations too, and the critics' averages."""
        if self.config.extract != BEST_OF_K:
            return super().policy(seed)
        critics = {f"q{name}": array for name, array in self.target.arrays(seed).items()}
        noise = np.random.default_rng(0).standard_normal((self.config.extract_samples, self.n), dtype=np.float32)
        facts = {"noise": noise, "q_layer_norm": np.array([self.config.layer_norm], np.float32)}
        return {**self.average.arrays(seed), **critics, **facts, **self.problem.inputs.artifact()}

    def update(self, batch: Batch) -> Metrics:
        """Critics, actor, temperature and alpha."""
        loss, found = self.losses(batch)
        rates = {"critic": self.config.learning_rate, "actor": self.config.actor_learning_rate}
        rates["temperature"] = self.config.actor_learning_rate
        if self.log_alpha is not None:
            rates["alpha"] = self.config.learning_rate
        self.descend(loss, **rates)
        self.target.follow(self.critic, self.config.target_rate)
        self.average.follow(self.actor, self.config.average_rate)
        return found

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Half the squared Bellman error and alpha times the gap (eq. 4), and those of soft actor-critic."""
        own = self.own
        temperature = self.log_temperature.exp().detach()
        here = split_gaussian(self.actor(batch.observation))
        action, log_probability = squash(*here, self.noise.normal(batch.reward.shape[-1], self.n))
        target, sampled, density = self._fixed(batch, here, temperature)
        q_data = self.values(self.critic, batch.observation, batch.action)
        some = density.shape[-1]
        gap = self._gap(batch.observation[:, :some], sampled, density, q_data[..., :some])
        error = eq.squared_error(q_data, target[:, None])
        alpha = self._alpha()
        q_policy = self.values(self.critic, batch.observation, action, fixed=True).amin(1)
        loss = error.sum(-1) + alpha.detach() * gap.sum(-1) + eq.actor_loss(q_policy, log_probability, temperature)
        loss = loss + eq.temperature_loss(self.log_temperature, log_probability, own.target_entropy * self.n)
        if self.log_alpha is not None:
            loss = loss + eq.lagrange_loss(alpha, gap, own.allowed_gap)
        found = {"td_error": error.mean(-1), "gap": gap.mean(-1), "q_data": q_data.mean((1, 2)), "alpha": alpha}
        found |= {"q_policy": q_policy.mean(-1), "entropy": -log_probability.mean(-1), "temperature": temperature}
        return loss, found

    @torch.no_grad()
    def _fixed(self, batch: Batch, here: tuple[Tensor, Tensor], temperature: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the critics' gradient takes as given: Bellman targets, competing actions and their log densities."""
        there = split_gaussian(self.actor(batch.next_observation))
        action, density = squash(*there, self.noise.normal(batch.reward.shape[-1], self.n))
        value = self.values(self.target, batch.next_observation, action).amin(1)
        if self.own.entropy_backup:
            value = value - temperature[:, None] * density
        return self.bellman_target(batch, value), *self._samples(here, there)

    def _alpha(self) -> Tensor:
        if self.log_alpha is None:
            return torch.full((self.problem.seeds,), self.alpha)
        return self.log_alpha.exp().clamp(max=ALPHA_HIGH)

    def _samples(self, here: tuple[Tensor, Tensor], there: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Actions that compete with the data's, (seeds, samples, rows, n), and their log densities without n."""
        rows = min(self.own.gap_rows or here[0].shape[1], here[0].shape[1])
        shape = (self.own.action_samples, rows, self.n)
        (mean, log_std), (next_mean, next_log_std) = here, there
        mean, log_std, next_mean, next_log_std = (x[:, None, :rows] for x in (mean, log_std, next_mean, next_log_std))
        action, density = squash(mean, log_std, self.noise.normal(*shape))
        if self.own.variant == "rho":
            return action, density
        uniform = self.noise.uniform(*shape) * 2.0 - 1.0
        next_action, next_density = squash(next_mean, next_log_std, self.noise.normal(*shape))
        flat = torch.full_like(density, eq.uniform_log_density(self.n))
        return torch.cat([uniform, action, next_action], 1), torch.cat([flat, density, next_density], 1)

    def _gap(self, observation: Tensor, action: Tensor, density: Tensor, q_data: Tensor) -> Tensor:
        """The conservative gap of each seed and critic, (seeds, critics)."""
        samples = action.shape[1]
        x = observation[:, None].expand(-1, samples, -1, -1).flatten(1, 2)
        values = self.values(self.critic, x, action.flatten(1, 2)).unflatten(-1, (samples, -1))
        if self.own.variant == "rho":
            return eq.policy_gap(values, q_data).mean(-1)
        return eq.sampled_gap(values, density[:, None], q_data).mean(-1)
