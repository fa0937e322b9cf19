"""The Gymnasium environment: a simulated arm and a task, in one process and without ROS."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from sim.arm import Array, SimArm
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.guard import Guard
from turn_rl_ros.core.spec import Box, Discrete, TaskSpec
from turn_rl_ros.core.task import make_task

MARGIN = 0.05
"""Share by which a joint may be seen beyond its limits: a simulated stop and motor give a little under load."""


class ArmEnv(gymnasium.Env):
    """`arm` doing the task of `spec`, one control period a step, `spec.episode_steps` steps an episode.

    Actions are in the spec's units (rad/s, m/s) or are indices; observations are the task's. `info` holds
    joint_position, joint_velocity and the command that led there (n,), goal (3,) and distance in metres, is_success.
    Commands pass what the guard allows: speeds up to the joints' limits and, where the task has an obstacle, the guard.
    """

    def __init__(self, spec: TaskSpec, arm: SimArm, seed: int = 0) -> None:
        self.task_spec, self.arm, self.task = spec, arm, make_task(spec)
        self.render_mode = None  # Gymnasium's own `spec` attribute stays None: it is about its registry
        low, high = np.array(spec.observation.low), np.array(spec.observation.high)
        margin = 0.0 if spec.discrete else MARGIN * (high - low)
        self.observation_space = spaces.Box((low - margin).astype(np.float32), (high + margin).astype(np.float32))
        self.action_space = _space(spec.action)
        self._limit = np.array(spec.joint_velocity)
        super().reset(seed=seed)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode at home with a random goal, or with `options`' "joint_position" (n,) and "goal" (3,) m."""
        super().reset(seed=seed)
        options = options or {}
        goal = options["goal"] if "goal" in options else self.task.sample_goal(self.np_random)
        self._goal: Array = np.array(goal, dtype=np.float64)
        self.arm.reset(options.get("joint_position"), seed)
        self._steps = 0
        self._guard = Guard(self.task_spec, GuardConfig()) if "obstacle" in self.task_spec.details else None
        self._command = np.zeros(len(self._limit))
        self._position, self._velocity, _ = self.arm.state()
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Obey `action` for one control period. A time-out is a truncation, never a termination."""
        self._command = self._allowed(self.task.command(action, self._position))
        self.arm.step(self._command, self.task_spec.command_interface, self.task_spec.period_s)
        self._steps += 1
        self._position, self._velocity, _ = self.arm.state()
        reward = float(self.task.reward(self._position, self._goal))
        terminated = bool(self.task.terminated(self._position, self._goal))
        truncated = not terminated and self._steps >= self.task_spec.episode_steps
        return self._observation(), reward, terminated, truncated, self._info()

    def _allowed(self, command: Array) -> Array:
        """What the guard makes of a command on the wire; without an obstacle, what is left of that here."""
        if self._guard is not None:
            stamp_ns = self._steps * self.task_spec.period_ns
            self._guard.observe(self._position, self._velocity, stamp_ns)
            return self._guard.allow(command, stamp_ns)[0]
        return (
            np.clip(command, -self._limit, self._limit) if self.task_spec.command_interface == "velocity" else command
        )

    def close(self) -> None:
        """Free the simulator."""
        self.arm.close()

    def _observation(self) -> np.ndarray:
        return self.task.observe(self._position, self._velocity, self._goal)

    def _info(self) -> dict[str, Any]:
        return {
            "joint_position": self._position.copy(),
            "joint_velocity": self._velocity.copy(),
            "command": self._command.copy(),
            "goal": self._goal.copy(),
            "distance": float(self.task.distance(self._position, self._goal)),
            "is_success": bool(self.task.success(self._position, self._goal)),
        }


def _space(action: Box | Discrete) -> spaces.Space:
    if isinstance(action, Discrete):
        return spaces.Discrete(action.size)
    return spaces.Box(np.array(action.low, dtype=np.float32), np.array(action.high, dtype=np.float32))
