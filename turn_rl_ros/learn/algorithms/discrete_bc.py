"""Behaviour cloning for finitely many actions: maximum likelihood of the data's action (Pomerleau 1991)."""

from dataclasses import dataclass

from torch import Tensor

from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Metrics
from turn_rl_ros.learn.algorithms.q_learning import QLearning
from turn_rl_ros.learn.replay import Batch


@dataclass(frozen=True)
class DiscreteBcConfig:
    """Nothing of its own."""


class DiscreteBc(QLearning):
    """The network's outputs are logits; the policy takes the likeliest action."""

    name, Config = "discrete_bc", DiscreteBcConfig

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Cross entropy."""
        loss = eq.cross_entropy(self.q(batch.observation), batch.action)
        return loss, {"imitation": loss}
