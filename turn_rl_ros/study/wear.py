"""What a session asked of the arm, counted as the guard's own ledger counts it."""

from dataclasses import dataclass

import numpy as np

from turn_rl_ros.core.behaviour import HOMING
from turn_rl_ros.core.guard.budget import Budget
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.dataset import Dataset

DAY_S = 86400.0


@dataclass(frozen=True)
class Wear:
    """Wear of one session, the way home included."""

    travel: float
    """Sum over the joints, rad or m."""
    reversals: int
    """Sum over the joints; the guard's dead band keeps noise out."""
    peak_acceleration: float
    """Largest change of a measured joint speed within a period, rad/s^2 or m/s^2."""
    successes: int
    """Episodes that ended within the task's success radius."""

    def per_success(self, what: str) -> float | None:
        """`travel` or `reversals` for each success; None where there was none."""
        return float(getattr(self, what)) / self.successes if self.successes else None


def wear_of(data: Dataset, session: int) -> Wear:
    """The wear of the session with this index in `data`; none where nothing moves."""
    rows = np.flatnonzero(data.session == session)
    spec = data.spec
    if not spec.joint_names:
        return Wear(0.0, 0, 0.0, 0)
    task = make_task(spec)
    budget = Budget(spec, GuardConfig(window_s=DAY_S), {}, {})
    for row in rows:
        budget.observe(data.joint_position[row], None, int(data.stamp_ns[row]))
    worn = budget.records()[1]
    change = np.abs(data.next_joint_velocity[rows] - data.joint_velocity[rows])
    ends = rows[(data.step[rows] == spec.episode_steps - 1) & (data.behaviour[rows] != HOMING)]
    return Wear(
        travel=round(float(sum(worn["travel"].values())), 3),
        reversals=int(sum(worn["reversals"].values())),
        peak_acceleration=round(float(change.max(initial=0.0)) * spec.rate_hz, 2),
        successes=int(task.success(data.next_joint_position[ends], data.goal[ends]).sum()),
    )
