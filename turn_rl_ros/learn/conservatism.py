"""How conservative to be, worked out from the data: as much as the data leaves the value of the next actions uncertain.

Jin et al. 2021 (PEVI, theorem 4.4): for a value that is linear in features, pessimism of `range * sqrt(phi' inverse(L)
phi)`, with L the Gram matrix of the data's features, is enough and, up to constants, needed. For one-hot features the
root is `1 / sqrt(1 + visits)`, the count that bounds CQL's alpha from below as well (Kumar et al. 2020, theorem 3.3).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.behaviour import EXPLORING, POLICY
from turn_rl_ros.core.spec import Box
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.replay import scaled_actions

if TYPE_CHECKING:  # the algorithms import this file
    from turn_rl_ros.learn.algorithms.base import Problem

SCALE = 1e-3
"""Alpha for one unit of attainable return of which nothing is known; the studies say how it was found."""
ROWS = 65536
"""Most rows that are looked at, evenly spread over the data; each stands for its neighbours."""

Array = NDArray[np.float64]


def choose_alpha(rule: str, alpha: float, problem: "Problem") -> float:
    """The configured `alpha`, or with the rule `adaptive` what the problem's data asks for."""
    if rule != "adaptive":
        return alpha
    return adaptive_alpha(problem.data, problem.inputs, problem.high - problem.low)


def adaptive_alpha(data: Dataset, inputs: Inputs, return_range: float) -> float:
    """CQL's alpha for this data: `SCALE * return_range * ((1 - p) * any + p * own)`.

    `own` is the mean uncertainty (0 to 1) at the data's actions, `any` that at uniform actions in the data's states,
    and p the share of rows that a learnt policy chose: where it already acts, the next policy's actions are like the
    data's. More data and better coverage make both smaller, and on-policy data moves the mean to the smaller one.

    Args:
        data: everything recorded so far.
        inputs: of the networks that learn from it.
        return_range: greatest less least discounted return that its rewards can add up to.
    """
    own, uniform = uncertainty(data, inputs)
    share = on_policy_share(data)
    return SCALE * return_range * ((1.0 - share) * uniform + share * own)


def on_policy_share(data: Dataset) -> float:
    """Share of the rows that a learnt policy chose, with or without noise."""
    return float(np.isin(data.behaviour, (POLICY, EXPLORING)).mean())


def uncertainty(data: Dataset, inputs: Inputs) -> tuple[float, float]:
    """Mean of `sqrt(phi' inverse(1 + Phi' Phi) phi)` at the data's actions, and at uniform ones in the same states."""
    rows = np.linspace(0, len(data) - 1, min(ROWS, len(data))).astype(int)
    each = len(data) / len(rows)
    states, actions = inputs(data.observations[rows]).numpy(), scaled_actions(data)[rows]
    if inputs.one_hot:
        visits = np.zeros((inputs.size, data.spec.action.size))
        np.add.at(visits, (states, actions), each)
        width = 1.0 / np.sqrt(1.0 + visits)
        return float(width[states, actions].mean()), float(width[states].mean())
    features = _features(data, states, actions)
    inverse = np.linalg.inv(np.eye(features.shape[1]) + each * features.T @ features)
    return _mean_width(inverse, features), _mean_width(inverse, _features(data, states, _uniform(data, len(rows))))


def _features(data: Dataset, states: NDArray, actions: NDArray) -> Array:
    """1, state and action; of finitely many actions each has features of its own. (rows, features)."""
    base = np.concatenate([np.ones((len(states), 1)), states], axis=1, dtype=np.float64)
    if isinstance(data.spec.action, Box):
        return np.concatenate([base, actions], axis=1)
    chosen = np.eye(data.spec.action.size)[actions]
    return (chosen[:, :, None] * base[:, None, :]).reshape(len(states), -1)


def _uniform(data: Dataset, rows: int) -> NDArray:
    """Uniform actions in the units of `scaled_actions`, always the same ones."""
    rng, size = np.random.default_rng(0), data.spec.action.size
    return rng.uniform(-1.0, 1.0, (rows, size)) if isinstance(data.spec.action, Box) else rng.integers(size, size=rows)


def _mean_width(inverse: NDArray, features: Array) -> float:
    return float(np.sqrt(np.einsum("ri,ij,rj->r", features, inverse, features)).mean())
