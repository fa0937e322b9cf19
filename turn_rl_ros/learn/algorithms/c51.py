"""Categorical DQN, C51 (Bellemare et al. 2017): a distribution over fixed returns for each action."""

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
class C51Config:
    """C51's own parameters, with the paper's values; the range of returns comes from the data's rewards."""

    atoms: int = param(51, "returns that the distribution is over, evenly spaced", low=2, high=1001)


class C51(QLearning):
    """The policy takes the arg max of the distributions' means."""

    name, kind, Config = "c51", "categorical_q", C51Config

    def __init__(self, problem: Problem, config: TrainerConfig, own: Any) -> None:
        super().__init__(problem, config, own, own.atoms)
        self.atoms = torch.linspace(problem.low, max(problem.high, problem.low + 1e-3), own.atoms)

    def losses(self, batch: Batch) -> tuple[Tensor, Metrics]:
        """Cross entropy to the projected Bellman target (algorithm 1)."""
        with torch.no_grad():
            after = self._logits(self.target(batch.next_observation)).softmax(-1)
            best = (after @ self.atoms).argmax(-1)
            shares = _taken(after, best)
            samples = eq.bootstrap(batch.reward[..., None], batch.terminal[..., None], self.atoms, self.config.discount)
            target = project(samples, shares, self.atoms)
        logits = self._logits(self.q(batch.observation))
        error = -(target * _taken(logits, batch.action).log_softmax(-1)).sum(-1).mean(-1)
        return error, self.metrics(error, logits.detach().softmax(-1) @ self.atoms, batch)

    def policy(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The averaged network and its atoms."""
        return {**super().policy(seed), "atoms": self.atoms.numpy()}

    def _logits(self, output: Tensor) -> Tensor:
        """(seeds, batch, actions, atoms)."""
        return output.unflatten(-1, (self.actions, self.outputs))


def _taken(values: Tensor, action: Tensor) -> Tensor:
    """The row of one action; (..., batch, actions, atoms) and (..., batch) -> (..., batch, atoms)."""
    return values.gather(-2, action[..., None, None].expand(*action.shape, 1, values.shape[-1])).squeeze(-2)


def project(samples: Tensor, shares: Tensor, atoms: Tensor) -> Tensor:
    """The distribution over `samples` as one over `atoms`: each share goes to its two neighbours (algorithm 1).

    Args:
        samples: (..., M) returns; outside the atoms' range they count as its end.
        shares: (..., M), their probabilities.
        atoms: (N,) evenly spaced.

    Returns:
        (..., N).
    """
    place = (samples.clamp(atoms[0], atoms[-1]) - atoms[0]) / (atoms[1] - atoms[0])
    place = place.clamp(0, len(atoms) - 1)
    below = place.floor()
    above_share = place - below
    low = below.long()
    out = torch.zeros(*shares.shape[:-1], len(atoms), dtype=shares.dtype)
    out.scatter_add_(-1, low, shares * (1.0 - above_share))
    return out.scatter_add_(-1, (low + 1).clamp(max=len(atoms) - 1), shares * above_share)
