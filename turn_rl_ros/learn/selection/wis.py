"""Weighted importance sampling, for data that knows how likely its actions were (Precup et al. 2000).

Sessions do not record that likelihood yet. For the random walk that a grid's first session takes it follows from the
actions themselves, see `random_walk_probability`; other behaviour searches and plans, and has none that is known.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Weighed:
    """An estimate by importance sampling."""

    value: float
    """Discounted return; NaN where no episode could come from the policy."""
    episodes: float
    """Effective number of episodes behind it, (sum w)^2 / sum w^2 of the whole episodes' weights w (Kong 1992)."""


def weighted_importance(
    target: Array, behaviour: Array, rewards: Array, episode: NDArray[np.int64], discount: float
) -> Weighed:
    """Per-decision weighted importance sampling.

    The reward of step t counts with the product of the ratios up to t, divided by the sum of these products over all
    episodes; an episode that has ended keeps its last product.

    Args:
        target: (n,) probability of each action under the policy in question.
        behaviour: (n,) under what recorded it, positive.
        rewards: (n,).
        episode: (n,) rows of one episode lie together, in order.
        discount: of the return.
    """
    starts = np.flatnonzero(np.diff(episode, prepend=episode[0] - 1))
    lengths = np.diff(starts, append=len(episode))
    step = np.arange(len(episode)) - np.repeat(starts, lengths)
    which = np.repeat(np.arange(len(starts)), lengths)
    ratio, reward = np.ones((len(starts), lengths.max())), np.zeros((len(starts), lengths.max()))
    ratio[which, step], reward[which, step] = target / behaviour, rewards
    weight = np.cumprod(ratio, axis=1)
    total = weight.sum(axis=0)
    if total[0] == 0.0:
        return Weighed(float("nan"), 0.0)
    discounts = discount ** np.arange(weight.shape[1])
    each = np.divide((weight * reward).sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    last = weight[:, -1]
    effective = last.sum() ** 2 / np.square(last).sum() if last.any() else 0.0
    return Weighed(float((discounts * each).sum()), float(effective))


def random_walk_probability(
    actions: NDArray[np.int64], episode: NDArray[np.int64], count: int, stickiness: float
) -> Array:
    """Probability of each action of `core.exploration.GridExplorer.random`, (n,): the last one again, or any."""
    repeats = (np.diff(actions, prepend=-1) == 0) & (np.diff(episode, prepend=-1) == 0)
    first = np.diff(episode, prepend=episode[0] - 1) != 0
    return np.where(first, 1 / count, (1 - stickiness) / count + stickiness * repeats)
