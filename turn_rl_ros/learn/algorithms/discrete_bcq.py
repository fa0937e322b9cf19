"""Discrete batch-constrained Q-learning (Fujimoto et al. 2019, Benchmarking batch deep RL): only likely actions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.config import param
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Metrics, Problem
from turn_rl_ros.learn.algorithms.q_learning import QLearning
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.replay import Batch


@dataclass(frozen=True)
class DiscreteBcqConfig:
    """Discrete BCQ's own parameters, with the paper's values."""

    threshold: float = param(
        0.3,
        "least probability of an action, as a share of the likeliest one's, at which it is considered",
        low=0.0,
        high=1.0,
    )
    logit_penalty: float = param(0.01, "weight of the squared logits of the imitation", low=0.0, high=10.0)


class DiscreteBcq(QLearning):
    """A network beside Q imitates the data's actions; arg maxes are over those that it finds likely."""

    name, kind, Config = "discrete_bcq", "filtered_q", DiscreteBcqConfig

    def __init__(self, problem: Problem, config: TrainerConfig, own: Any) -> None:
        super().__init__(problem, config, own)
        self.imitation = self.network("imitation", self.actions)

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Huber error of Q, cross entropy and penalty of the imitation (algorithm 1)."""
        with torch.no_grad():
            likely = considered(self.imitation(batch.next_observation), self.own.threshold)
            choice = self.q(batch.next_observation).masked_fill(~likely, -torch.inf)
            next_value = eq.double_q_value(choice, self.target(batch.next_observation))
        values, logits = self.q(batch.observation), self.imitation(batch.observation)
        taken, target = eq.taken_value(values, batch.action), self.bellman_target(batch, next_value)
        error = torch.nn.functional.huber_loss(taken, target, reduction="none").mean(-1)
        imitation = eq.cross_entropy(logits, batch.action)
        loss = error + imitation + self.own.logit_penalty * logits.square().mean((-1, -2))
        return loss, {**self.metrics(error, values, batch), "imitation": imitation}

    def rates(self) -> dict[str, float]:
        """Q and the imitation."""
        return {"q": self.config.learning_rate, "imitation": self.config.learning_rate}

    def policy(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The averaged Q, the imitation with names that begin with `i`, and the threshold as a logarithm."""
        imitation = self.problem.inputs.fold(self.imitation.arrays(seed))
        filters = {f"i{name}": array for name, array in imitation.items() if name != "one_hot"}
        threshold = np.log(max(self.own.threshold, 1e-30))
        return {**super().policy(seed), **filters, "log_threshold": np.array([threshold], np.float32)}


def considered(logits: Tensor, threshold: float) -> Tensor:
    """Actions whose probability is more than `threshold` of the likeliest one's (eq. 19); (..., actions) bool."""
    share = (logits - logits.amax(-1, keepdim=True)).exp()
    return (share > threshold) | (share == 1.0)
