"""What the Q-learning algorithms for finitely many actions share: one network, its target, its average."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.algorithms.base import Algorithm, Metrics, Problem
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.replay import Batch


class QLearning(Algorithm):
    """A network with `outputs` numbers an action; a subclass says what they mean and what their error is."""

    discrete, kind = True, "argmax_q"

    def __init__(self, problem: Problem, config: TrainerConfig, own: Any, outputs: int = 1) -> None:
        if config.layer_norm:
            raise ConfigError("layer_norm is for critics; here the Q-network itself is delivered, which has none")
        super().__init__(problem, config, own)
        self.actions, self.outputs = problem.spec.action.size, outputs
        self.q = self.network("q", self.actions * outputs)
        self.target, self.average = self.follower("target", self.q), self.follower("average", self.q)

    @abstractmethod
    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Loss (seeds,) of the networks that `rates` names, and metrics."""

    def rates(self) -> dict[str, float]:
        """Step size of each network that learns."""
        return {"q": self.config.learning_rate}

    def update(self, batch: Batch) -> Metrics:
        """Descend the loss, then move the followers."""
        loss, found = self.losses(batch)
        self.descend(loss, **self.rates())
        self.target.follow(self.q, self.config.target_rate)
        self.average.follow(self.q, self.config.average_rate)
        return found

    def policy(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The averaged network, of whose values the arg max acts."""
        return self.problem.inputs.fold(self.average.arrays(seed))

    def metrics(self, error: Tensor, values: Tensor, batch: Batch) -> Metrics:
        """The usual ones, of a loss (seeds,) and action values (seeds, batch, actions)."""
        q_data = eq.taken_value(values, batch.action).mean(-1)
        return {"td_error": error, "q_data": q_data, "q_policy": values.amax(-1).mean(-1)}


def averaged(layers: dict[str, NDArray[np.float32]], outputs: int) -> dict[str, NDArray[np.float32]]:
    """The same network with the mean of each action's `outputs`: an average of linear outputs is linear again."""
    last = max(int(name[1:]) for name in layers if name.startswith("w"))
    means = {
        name: layers[name].reshape(*layers[name].shape[:2], -1, outputs).mean(-1) for name in (f"w{last}", f"b{last}")
    }
    return {**layers, **means}
