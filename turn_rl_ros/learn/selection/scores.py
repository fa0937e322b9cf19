"""Scores that a training leaves behind: what a policy's own critics say. Cheap, and known to flatter."""

from collections.abc import Sequence

import numpy as np

from turn_rl_ros.core.policy import ArgmaxPolicy, Policy
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn.engine import Run
from turn_rl_ros.learn.starts import first_rows

INITIAL_VALUE = "initial_value"
"""Metric of a run: what its critics say that its policy is worth where episodes start."""


def initial_value(policy: Policy, run: Run, data: Dataset) -> float:
    """The critics' own value of a policy in the states where episodes start; NaN where they said none.

    A policy that carries its values is asked itself, others by what their training left.
    """
    if isinstance(policy, ArgmaxPolicy) and "q_data" in run.metrics:  # cloning leaves logits, not values
        starts = np.unique(data.observations[first_rows(data)], axis=0)
        return float(np.mean([policy.values(observation).max() for observation in starts]))
    return run.metrics.get(INITIAL_VALUE, float("nan"))


def td_error(run: Run) -> float:
    """Half the mean squared Bellman error of the training's last batch; NaN without one."""
    return run.metrics.get("td_error", float("nan"))


def best(scores: Sequence[float]) -> int:
    """Index of the greatest score; NaN is the least."""
    return int(np.argmax(np.where(np.isnan(scores), -np.inf, scores)))
