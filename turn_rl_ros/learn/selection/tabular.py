"""Fitted Q evaluation where the fit is exact: a state of finitely many, an action of finitely many (Le et al. 2019).

Algorithm 3 of the paper repeats a regression on `r + discount * Q(s', pi(s'))`. For one-hot features the regression is
the mean over the rows of a pair, so each sweep is exact, and all policies and resamples sweep together.
"""

import math

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.learn.selection.cases import Cases

TOLERANCE = 1e-4
"""Sweeps go on until what is left of the first guess is below this share of the range of returns."""

Array = NDArray[np.float64]


def tabular_values(cases: Cases, weights: Array, discount: float) -> Array:
    """Mean value at the starts of each policy under each weighting of the episodes, (P, R).

    Args:
        cases: with one-hot states.
        weights: (R, episodes) how often an episode counts.
        discount: of the estimated return.

    A pair that no row shows is worth the least attainable return: what was never tried counts for nothing.
    """
    state, action = cases.state.numpy(), cases.action.numpy()
    next_state, terminal = cases.next_state.numpy(), cases.terminal.numpy()
    states, each = cases.inputs.size, weights[:, cases.episode]
    pair = state * cases.actions + action
    code, outcome = np.unique((pair * states + next_state) * 2 + (terminal > 0), return_inverse=True)
    count = _tally(outcome, each, len(code))
    reward = _tally(outcome, each * cases.reward.numpy(), len(code))
    pairs, begin = np.unique(code // (2 * states), return_index=True)  # outcomes of a pair lie side by side
    visits = np.add.reduceat(count, begin, axis=1)
    seen, total = visits > 0, np.maximum(visits, 1.0)
    reward = np.add.reduceat(reward, begin, axis=1) / total
    share = count / np.repeat(total, np.diff(begin, append=len(code)), axis=1) * (code % 2 == 0)
    _, one = np.unique(outcome, return_index=True)  # a row of each outcome, for what the policies do after it
    follow = _find(pairs, next_state[one] * cases.actions + cases.next_action.numpy()[:, one])
    follow = np.broadcast_to(follow[:, None], (cases.policies, *count.shape))
    q = np.full((cases.policies, len(weights), len(pairs) + 1), cases.low)
    for _ in range(math.ceil(math.log(TOLERANCE) / math.log(discount)) if discount else 1):
        after = share * np.take_along_axis(q, follow, axis=2)
        q[..., :-1] = np.where(seen, reward + discount * np.add.reduceat(after, begin, axis=2), cases.low)
    start = _find(pairs, cases.start.numpy() * cases.actions + cases.start_action.numpy())
    return np.take_along_axis(q, np.broadcast_to(start[:, None], (*q.shape[:2], start.shape[1])), axis=2).mean(axis=2)


def _tally(outcome: NDArray[np.int64], weights: Array, outcomes: int) -> Array:
    """Sum of the rows' weights (R, N) for each outcome, (R, outcomes)."""
    return np.stack([np.bincount(outcome, one, outcomes) for one in weights]).astype(np.float64)


def _find(pairs: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where `wanted` lies among sorted `pairs`; one past the end for what is not there."""
    at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    return np.where(pairs[at] == wanted, at, len(pairs))
