"""Where episodes begin: the states at which a policy's value is asked for."""

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.behaviour import HOMING
from turn_rl_ros.data.dataset import Dataset


def first_rows(data: Dataset) -> NDArray[np.int64]:
    """First row of every episode that begins as an episode of the task does, not on the way home; (starts,).

    Where the data has none, because every beginning was lost, the first row of every episode.
    """
    starts, _ = data.episode_bounds()
    proper = starts[(data.step[starts] == 0) & (data.behaviour[starts] != HOMING)]
    return proper if len(proper) else starts
