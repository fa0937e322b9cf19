"""An actor and its critics: what the continuous algorithms with values have in common."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.learn.algorithms.base import Algorithm, Problem
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.networks import Network


class ActorCritic(Algorithm):
    """Actor, twin critics (Fujimoto et al. 2018), their target; delivered is the averaged actor's mean, squashed.

    All gradients of a step are taken at the same weights, where some of the papers' programs take the critics' step
    first: the difference is one step of one network.
    """

    discrete, kind = False, "tanh_mlp"
    critics = 2

    def __init__(self, problem: Problem, config: TrainerConfig, own: Any, outputs: int) -> None:
        """`outputs`: numbers that the actor gives for each dimension of the action, its mean first."""
        super().__init__(problem, config, own)
        self.n = problem.spec.action.size
        self.actor = self.network("actor", outputs * self.n)
        self.critic = self.network("critic", 1, self.n, self.critics, config.layer_norm)
        self.start_at_mean(self.critic)
        self.target, self.average = self.follower("target", self.critic), self.follower("average", self.actor)

    @torch.no_grad()
    def start_at_mean(self, values: Network) -> None:
        """Start at the value of receiving the data's mean reward for ever, not at zero."""
        values.layers[-1][1].fill_(self.problem.mean_reward / (1.0 - self.config.discount))

    def values(self, critic: Network, observation: Tensor, action: Tensor, fixed: bool = False) -> Tensor:
        """(seeds, critics, rows) of observation (seeds, rows, ...) and action (seeds, rows, n).

        `fixed`: without gradients of the critic's weights, with those of the action.
        """
        x = torch.cat([observation, action], -1)
        return (critic.fixed(x) if fixed else critic(x))[..., 0].unflatten(0, (-1, self.critics))

    @torch.no_grad()
    def value(self, observation: Tensor) -> Tensor:
        """The lesser of the twins' values of the delivered action, (seeds, batch)."""
        action = self.average(observation)[..., : self.n].tanh()
        return self.values(self.critic, observation, action).amin(1)

    def policy(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The averaged actor's mean."""
        return {**self.average.arrays(seed, self.n), **self.problem.inputs.artifact()}
