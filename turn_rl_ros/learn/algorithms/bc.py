"""Behavioural cloning (Pomerleau 1991): do what the data does, whatever it brings. The floor for all others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Algorithm, Metrics, Problem
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.replay import Batch


@dataclass(frozen=True)
class BcConfig:
    """BC has no parameters of its own."""


class Bc(Algorithm):
    """A deterministic actor under the mean squared error: the likeliest mean of a Gaussian of any fixed width."""

    name, discrete, kind, Config = "bc", False, "tanh_mlp", BcConfig

    def __init__(self, problem: Problem, config: TrainerConfig, own: BcConfig) -> None:
        super().__init__(problem, config, own)
        self.actor = self.network("actor", problem.spec.action.size)
        self.average = self.follower("average", self.actor)

    def update(self, batch: Batch) -> Metrics:
        """The actor."""
        loss, found = self.losses(batch)
        self.descend(loss, actor=self.config.actor_learning_rate)
        self.average.follow(self.actor, self.config.average_rate)
        return found

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Mean squared distance to the data's action."""
        loss = eq.imitation_error(self.actor(batch.observation).tanh(), batch.action)
        return loss, {"policy_loss": loss}

    def policy(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The averaged actor's mean."""
        return {**self.average.arrays(seed), **self.problem.inputs.artifact()}
