"""Q iteration where it is exact: finitely many states and actions, and every transition of the data in each sweep."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Outcomes:
    """What the data shows: P pairs of state and action, and K >= P outcomes of them, those of a pair side by side."""

    pair: Index
    """(P,) state * actions + action, ascending."""
    share: Array
    """(P,) how often a pair's action was taken in its state, of all the state's actions."""
    reward: Array
    """(P,) mean reward."""
    begin: Index
    """(P,) first outcome of each pair."""
    next_state: Index
    """(K,)."""
    chance: Array
    """(K,) share of a pair's rows with this outcome; 0 where the task ended, which is worth nothing more."""


def outcomes(
    state: Index, action: Index, reward: Array, next_state: Index, terminal: Array, states: int, actions: int
) -> Outcomes:
    """Count transitions (n,). Disjoint problems count together when their states have numbers of their own."""
    code, which, times = np.unique(
        ((state * actions + action) * states + next_state) * 2 + (terminal > 0), return_inverse=True, return_counts=True
    )
    pair, begin = np.unique(code // (2 * states), return_index=True)
    rows = np.add.reduceat(times, begin) if len(pair) else times
    earned = np.bincount(which.ravel(), reward, len(code))
    earned = np.add.reduceat(earned, begin) if len(pair) else earned
    visits = np.bincount(pair // actions, rows, states)
    return Outcomes(
        pair,
        rows / visits[pair // actions],
        earned / rows,
        begin,
        code // 2 % states,
        np.where(code % 2, 0.0, times) / np.repeat(rows, np.diff(begin, append=len(code))),
    )


def q_iteration(
    seen: Outcomes, first: Array, discount: float, sweeps: int, alpha: float = 0.0, policy: Index | None = None
) -> Array:
    """Sweep `Q(s, a) <- r + discount * V(s')` over the pairs that the data shows.

    With `alpha` each pair of a state also moves towards the minimum of CQL's loss there (Kumar et al. 2020, eq. 4 for
    finitely many actions, the squared error halved): with b the data's share of an action and p the softmax of Q over
    the actions it shows, `b (Q - target) + alpha (p - b) = 0`. The step has the curvature `b + alpha / 2`, which bounds
    the loss's own, so it never overshoots. An action that the data does not show, in a state where it shows others,
    is worth minus infinity, the limit of that loss's minimum.

    Args:
        seen: the data.
        first: (..., states, actions) Q before the first sweep; a pair that the data does not show keeps it.
        discount: of the return.
        sweeps: at most; fewer when nothing moves any more.
        alpha: weight of the conservative gap; 0: Q iteration.
        policy: (..., states) actions whose value V is; None: the greatest value.

    Returns:
        Q, (..., states, actions).
    """
    states, actions = first.shape[-2:]
    # Actions lead inside: the greatest of a few long rows is found several times as fast as of many short ones.
    q = np.moveaxis(np.array(first, dtype=np.float64), -1, -2).copy()
    flat = q.reshape(*q.shape[:-2], -1)
    pair = seen.pair % actions * states + seen.pair // actions
    shown = np.zeros((actions, states), dtype=bool)
    shown.flat[pair] = True
    if alpha:
        q[..., ~shown & shown.any(0)] = -np.inf
    before = np.full(1, np.nan)
    for _ in range(sweeps if len(pair) else 0):
        value = q.max(-2) if policy is None else np.take_along_axis(q, policy[..., None, :], -2)[..., 0, :]
        if not alpha and np.array_equal(value, before):
            break
        before, after = value, seen.chance * value[..., seen.next_state]
        if len(seen.begin) < len(seen.chance):
            after = np.add.reduceat(after, seen.begin, axis=-1)
        target = seen.reward + discount * after
        if alpha:
            old, weight = flat[..., pair], np.exp(q - q.max(-2, keepdims=True))
            softmax = (weight / weight.sum(-2, keepdims=True)).reshape(flat.shape)[..., pair]
            slope = seen.share * (old - target) + alpha * (softmax - seen.share)
            target = old - slope / (seen.share + alpha / 2)
        flat[..., pair] = target
    return np.ascontiguousarray(np.moveaxis(q, -1, -2))
