"""What a task is: geometry and reward over raw joint states, with no simulator and no ROS behind it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import TaskSpec

Array = NDArray[np.float64]


class Task(Protocol):
    """Turns raw joint states into observations, rewards and success, and actions into joint commands.

    Every method takes leading batch dimensions, so that one formula serves a live tick and a relabelled dataset.
    Joint positions and velocities are (..., n_joints); goals are (..., goal_size), metres in the base frame.
    """

    spec: TaskSpec
    home: Array
    """(n_joints,) joint position in which an episode starts."""

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """A goal for one episode, (goal_size,)."""
        ...

    def observe(self, joint_position: Array, joint_velocity: Array, goal: Array) -> NDArray[np.float32]:
        """The policy's input, (..., observation.size)."""
        ...

    def achieved_goal(self, joint_position: Array) -> Array:
        """The goal that this state fulfils exactly (for hindsight), (..., goal_size)."""
        ...

    def distance(self, joint_position: Array, goal: Array) -> Array:
        """How far the state is from the goal, (...), metres."""
        ...

    def reward(self, next_joint_position: Array, goal: Array) -> Array:
        """Reward of a transition that ended in this state, (...)."""
        ...

    def with_goal(self, observation: NDArray[np.float32], goal: Array) -> NDArray[np.float32]:
        """The same state seen with another goal, for hindsight: `observe` without kinematics, (..., obs.size)."""
        ...

    def reward_at(self, achieved_goal: Array, goal: Array) -> Array:
        """`reward` of a transition whose next state achieves `achieved_goal`, (...)."""
        ...

    def terminated(self, next_joint_position: Array, goal: Array) -> NDArray[np.bool_]:
        """Whether the task itself ends in this state, (...)."""
        ...

    def success(self, joint_position: Array, goal: Array) -> NDArray[np.bool_]:
        """Whether an episode that ends in this state succeeded, (...)."""
        ...

    def command(self, action: NDArray, joint_position: Array) -> Array:
        """The joint command for an action, (n_joints,), in the unit of `spec.command_interface`."""
        ...

    def executed_action(self, command: Array, joint_position: Array) -> NDArray:
        """The action that `command` amounts to in this state: inverse of `command`, after the guard had its say."""
        ...
