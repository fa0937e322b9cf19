"""The best known result on a task: what a learnt policy is measured against."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.evaluation import evaluate_policy
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import Task, make_task
from turn_rl_ros.core.task.grid import Grid
from turn_rl_ros.core.task.reach import DAMPING, Reach
from turn_rl_ros.report.tabular import expected_return, optimal_policy

SERVO_GAIN = 15.0
"""1/s. The servo asks for this share of the distance left per second, within joint limits; more gains nothing."""


@dataclass(frozen=True)
class Best:
    """A reference result. `what` says where it comes from."""

    success_rate: float
    mean_return: float
    what: str


class Servo:
    """The scripted reference for reach: drive the tip straight to the goal (Wampler 1986, damped least squares).

    It knows the arm's kinematics, which a learnt policy does not; it is a `core.policy.Policy`.
    """

    def __init__(self, task: Reach) -> None:
        self._task = task
        self._joints = len(task.spec.joint_names)
        self._by_joint = task.spec.details["action"] == "joint_velocity"

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """(action.size,) within the bounds."""
        wanted = SERVO_GAIN * observation[-3:].astype(np.float64)
        if self._by_joint:
            jacobian = self._task.chain.jacobian(observation[: self._joints].astype(np.float64))
            wanted = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + DAMPING**2 * np.eye(3), wanted)
        action = self._task.spec.action
        # Scaled as a whole, so that a limit slows the tip down without bending its path.
        wanted = wanted / max(1.0, float(np.abs(wanted / np.array(action.high)).max()))  # type: ignore[union-attr]
        return wanted.astype(np.float32)


def best_known(spec: TaskSpec, goals: int, seed: int) -> tuple[Best | None, str]:
    """The reference on the held-out goals of (`goals`, `seed`), and a sentence when there is none."""
    task: Task = make_task(spec)
    if isinstance(task, Grid):
        earned = expected_return(task, optimal_policy(task))
        return Best(1.0, earned, "the optimum of the finite episode, by backward induction over the grid"), ""
    if not isinstance(task, Reach):
        return None, f"No reference is known for the task {spec.task!r}."
    try:
        return _servo(task, goals, seed), ""
    except TurnRlError as error:
        return None, f"The best known could not be worked out: {error}."


def _servo(task: Reach, goals: int, seed: int) -> Best:
    score = evaluate_policy(task.spec, Servo(task), goals, seed)
    what = "a damped-least-squares servo that knows the arm's kinematics, on the same goals"
    return Best(score.success_rate, score.mean_return, what)
