"""Conservative Q-learning for finitely many actions: double deep Q-learning with the gap (Kumar et al. 2020, eq. 4)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from turn_rl_ros.core.config import param
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Metrics, Problem
from turn_rl_ros.learn.algorithms.q_learning import QLearning
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.conservatism import choose_alpha
from turn_rl_ros.learn.replay import Batch


@dataclass(frozen=True)
class DiscreteCqlConfig:
    """Discrete CQL's own parameters, with the alpha of the paper's smaller Atari datasets (appendix F)."""

    alpha: float = param(
        1.0, "weight of the conservative gap against the squared Bellman error; 0: deep Q-learning", low=0.0, high=1e3
    )
    alpha_rule: str = param("fixed", "what sets alpha: fixed; adaptive: the data", choices=("fixed", "adaptive"))


class DiscreteCql(QLearning):
    """Alpha 0 is offline double DQN."""

    name, Config = "discrete_cql", DiscreteCqlConfig

    def __init__(self, problem: Problem, config: TrainerConfig, own: DiscreteCqlConfig) -> None:
        super().__init__(problem, config, own)
        self.alpha = choose_alpha(own.alpha_rule, own.alpha, problem)

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Squared Bellman error and the weighted gap."""
        with torch.no_grad():
            next_value = eq.double_q_value(self.q(batch.next_observation), self.target(batch.next_observation))
        values = self.q(batch.observation)
        error = eq.squared_error(eq.taken_value(values, batch.action), self.bellman_target(batch, next_value))
        gap = eq.discrete_gap(values, batch.action).mean(-1)
        found = {"gap": gap, "alpha": torch.full_like(gap, self.alpha)}
        return error + self.alpha * gap, {**self.metrics(error, values, batch), **found}
