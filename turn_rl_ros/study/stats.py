"""The statistics of the studies: interquartile means with bootstrap intervals, rank correlation, regret."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 2000


def iqm(scores: Array) -> float:
    """Interquartile mean: of all scores the middle half, a quarter cut off at each end (Agarwal et al. 2021)."""
    ordered = np.sort(scores, axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def interval(
    scores: Array, statistic: Callable[[Array], float] = iqm, confidence: float = 0.95
) -> tuple[float, float, float]:
    """`statistic` of scores (runs, tasks) with its percentile interval: value, low, high.

    Runs are resampled within each task, the stratified bootstrap of Agarwal et al. 2021, section 4.
    """
    rng = np.random.default_rng(0)
    runs, tasks = scores.shape
    draws = [statistic(scores[rng.integers(runs, size=scores.shape), np.arange(tasks)]) for _ in range(RESAMPLES)]
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return statistic(scores), float(low), float(high)


def ranks(values: Array) -> Array:
    """Rank of each value from 0, ties share their mean, (n,)."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[where]


def spearman(scores: Array, truth: Array) -> float:
    """Rank correlation in [-1, 1] (Spearman 1904) of scores that differ and a truth that differs."""
    return float(np.corrcoef(ranks(scores), ranks(truth))[0, 1])


def regret(scores: Array, truth: Array) -> float:
    """Regret at 1: what the policy with the best score falls short of the best, as a share of best less worst.

    Where several have the best score, the mean over them.
    """
    chosen = truth[scores == scores.max()].mean()
    return float((truth.max() - chosen) / (truth.max() - truth.min()))
