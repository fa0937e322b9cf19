"""Reach: bring the end effector of a serial arm to a goal position (as in panda-gym's Reach)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.config import param
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.obstacle import Obstacle, line_weights, obstacle_of
from turn_rl_ros.core.robot import KinematicChain, limits_from_urdf, read_urdf, urdf_hash
from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task.base import Array

DAMPING = 0.05
"""Damping of the least-squares inverse (Nakamura and Hanafusa 1986), m/rad: bounds joint speed near singularities."""

REWARDS: dict[str, Callable[[Array, float], Array]] = {
    "sparse": lambda distance, radius: np.where(distance > radius, -1.0, 0.0),
    "dense": lambda distance, radius: -distance,
    "both": lambda distance, radius: np.where(distance > radius, -1.0, 0.0) - distance,
    "close": lambda distance, radius: (
        np.where(distance > radius, -1.0, 0.0) - distance - np.minimum(distance / radius, 1.0)
    ),
}
"""Reward of a step from the distance (...) after it and the success radius, in metres; the first two as in panda-gym.

Within the radius `both` differs by centimetres, less than a learnt value errs: a policy drifts there, and out of it in
the end. `close` makes the middle of the goal worth one step outside of it.
"""


@dataclass(frozen=True)
class ReachConfig:
    """Parameters of the reach task, `task.*` in a scenario file."""

    kind: str = param("reach", "which task", choices=("reach", "gridworld"))
    robot: str = param("panda", "name of the robot")
    urdf: str = param(
        "pybullet_data:franka_panda/panda.urdf", "URDF: a file path, or package:path/inside an installed Python package"
    )
    tip_link: str = param("panda_grasptarget", "link whose origin is the end effector")
    joint_names: tuple[str, ...] = param(tuple(f"panda_joint{i}" for i in range(1, 8)), "joints, base to tip")
    home: tuple[float, ...] = param(
        (0.0, 0.41, 0.0, -1.85, 0.0, 2.26, 0.79), "start of an episode, a value a joint", unit="rad"
    )
    action: str = param("joint_velocity", "action space", choices=("joint_velocity", "ee_velocity"))
    max_joint_velocity: float = param(1.0, "largest commanded joint speed", unit="rad/s", low=0.01, high=10.0)
    max_ee_velocity: float = param(
        0.5, "largest end-effector speed along an axis (ee_velocity)", unit="m/s", low=0.01, high=5.0
    )
    goal_low: tuple[float, ...] = param(
        (0.4, -0.2, 0.1), "lower corner of the goal box in the base frame, x y z", unit="m"
    )
    goal_high: tuple[float, ...] = param(
        (0.7, 0.2, 0.4), "upper corner of the goal box in the base frame, x y z", unit="m"
    )
    obstacle_low: tuple[float, ...] = param(
        (), "lower corner of a box that the guard keeps the arm out of, x y z in the base frame; empty: none", unit="m"
    )
    obstacle_high: tuple[float, ...] = param((), "upper corner of that box; empty: none", unit="m")
    obstacle_clearance_m: float = param(
        0.15,
        "room between that box and the line from joint to joint: the thickness of the arm",
        unit="m",
        low=0.0,
        high=1.0,
    )
    reward: str = param(
        "both",
        "sparse: -1 outside the success radius; dense: minus the distance; both: their sum; close: that, and minus "
        "the distance in success radii, at most 1",
        choices=tuple(REWARDS),
    )
    success_radius_m: float = param(0.05, "an episode that ends this close is a success", unit="m", low=0.001, high=1.0)
    rate_hz: float = param(20.0, "control rate", unit="Hz", low=0.1, high=1000.0)
    episode_steps: int = param(50, "steps in an episode", unit="steps", low=1, high=100000)


class Reach:
    """The reach task for the arm described by `spec` (made by `reach_spec`).

    There is no terminal state: the arm has to stay at the goal until the episode's clock runs out.
    """

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        details = spec.details
        self.chain = KinematicChain.from_details(details["chain"], spec.joint_names)
        self.home = np.array(details["home"])
        self._goal_low, self._goal_high = np.array(details["goal_low"]), np.array(details["goal_high"])
        self._obstacle = obstacle_of(spec)
        self._radius = float(details["success_radius_m"])
        kind = details.get("reward", "both")
        if kind not in REWARDS:
            raise ConfigError(f"the spec has the reward {kind!r}; this version knows {', '.join(REWARDS)}")
        self._reward = REWARDS[kind]
        self._joint_action = details["action"] == "joint_velocity"
        assert isinstance(spec.action, Box)
        self._action_low, self._action_high = np.array(spec.action.low), np.array(spec.action.high)

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Uniform in the goal box, as far as the end effector may go there, (3,) metres."""
        goal = rng.uniform(self._goal_low, self._goal_high)
        while self._obstacle is not None and self._obstacle.gap(goal) < 0.0:
            goal = rng.uniform(self._goal_low, self._goal_high)
        return goal

    def observe(self, joint_position: Array, joint_velocity: Array, goal: Array) -> NDArray[np.float32]:
        """Joint position, joint velocity, end-effector position, goal minus end effector: (..., 2 n + 6)."""
        tip = self.chain.position(joint_position)
        return np.concatenate(
            [joint_position, joint_velocity, tip, goal - tip], axis=-1, dtype=np.float32, casting="same_kind"
        )

    def achieved_goal(self, joint_position: Array) -> Array:
        """End-effector position, (..., 3)."""
        return self.chain.position(joint_position)

    def distance(self, joint_position: Array, goal: Array) -> Array:
        """Euclidean distance of the end effector from the goal, (...) metres."""
        return np.linalg.norm(goal - self.chain.position(joint_position), axis=-1)

    def reward(self, next_joint_position: Array, goal: Array) -> Array:
        """One of `REWARDS`, as the spec says."""
        return self.reward_at(self.achieved_goal(next_joint_position), goal)

    def with_goal(self, observation: NDArray[np.float32], goal: Array) -> NDArray[np.float32]:
        """The end effector's place is in the observation; only goal minus end effector changes."""
        offset = (goal - observation[..., -6:-3]).astype(np.float32)
        return np.concatenate([observation[..., :-3], offset], axis=-1)

    def reward_at(self, achieved_goal: Array, goal: Array) -> Array:
        """One of `REWARDS`, as the spec says."""
        return self._reward(np.linalg.norm(goal - achieved_goal, axis=-1), self._radius)

    def terminated(self, next_joint_position: Array, goal: Array) -> NDArray[np.bool_]:
        """Never: reaching is not an end, staying is part of the task."""
        return np.zeros(np.shape(next_joint_position)[:-1], dtype=bool)

    def success(self, joint_position: Array, goal: Array) -> NDArray[np.bool_]:
        """Within the success radius."""
        return self.distance(joint_position, goal) <= self._radius

    def command(self, action: NDArray, joint_position: Array) -> Array:
        """Joint velocities in rad/s; an end-effector velocity goes through the damped inverse of the Jacobian."""
        wanted = np.clip(np.asarray(action, dtype=np.float64), self._action_low, self._action_high)
        if self._joint_action:
            return wanted
        jacobian = self.chain.jacobian(joint_position)
        return jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + DAMPING**2 * np.eye(3), wanted)

    def executed_action(self, command: Array, joint_position: Array) -> NDArray:
        """The joint velocities themselves, or the end-effector velocity that they cause, (action.size,) float32."""
        if self._joint_action:
            return np.asarray(command, dtype=np.float32)
        return (self.chain.jacobian(joint_position) @ command).astype(np.float32)


def reach_spec(config: ReachConfig) -> TaskSpec:
    """The spec of a reach task on the arm that `config.urdf` describes. Raises ConfigError where they disagree."""
    text = read_urdf(config.urdf)
    names, n = config.joint_names, len(config.joint_names)
    if len(config.home) != n:
        raise ConfigError(f"task.home has {len(config.home)} values for {n} joints")
    _require_box("goal", config.goal_low, config.goal_high)
    limits = limits_from_urdf(text, names)
    chain = KinematicChain.from_urdf(text, config.tip_link, names)
    if config.action == "joint_velocity":
        action = Box(names, ("rad/s",) * n, (-config.max_joint_velocity,) * n, (config.max_joint_velocity,) * n)
    else:
        action = Box(("vx", "vy", "vz"), ("m/s",) * 3, (-config.max_ee_velocity,) * 3, (config.max_ee_velocity,) * 3)
    reach_m = 2.0
    return TaskSpec(
        task="reach",
        robot=config.robot,
        joint_names=names,
        joint_low=limits.low,
        joint_high=limits.high,
        joint_velocity=limits.velocity,
        joint_units=("rad",) * n,
        command_interface="velocity",
        observation=Box(
            names=(*names, *(f"{name}_velocity" for name in names), "x", "y", "z", "goal_dx", "goal_dy", "goal_dz"),
            units=(*("rad",) * n, *("rad/s",) * n, *("m",) * 6),
            low=(*limits.low, *(-v for v in limits.velocity), *(-reach_m,) * 3, *(-2 * reach_m,) * 3),
            high=(*limits.high, *limits.velocity, *(reach_m,) * 3, *(2 * reach_m,) * 3),
        ),
        action=action,
        rate_hz=config.rate_hz,
        episode_steps=config.episode_steps,
        details={
            "action": config.action,
            "home": list(config.home),
            "goal_low": list(config.goal_low),
            "goal_high": list(config.goal_high),
            **({} if config.reward == "both" else {"reward": config.reward}),  # the rule when specs did not say
            "success_radius_m": config.success_radius_m,
            **_obstacle_details(config, chain),
            "chain": chain.to_details(),
            "robot_description_sha256": urdf_hash(text),
        },
    )


def _obstacle_details(config: ReachConfig, chain: KinematicChain) -> dict[str, Any]:
    """The obstacle for a spec's details, nothing where there is none. Raises ConfigError when it leaves no room."""
    if not config.obstacle_low and not config.obstacle_high:
        return {}
    _require_box("obstacle", config.obstacle_low, config.obstacle_high)
    box = Obstacle(np.array(config.obstacle_low), np.array(config.obstacle_high), config.obstacle_clearance_m)
    if box.gap(line_weights(chain) @ chain.places(np.array(config.home))).min() < 0.0:
        raise ConfigError("task.home lies within task.obstacle_clearance_m of the obstacle; move one of them")
    if max(box.gap(np.array(config.goal_low)), box.gap(np.array(config.goal_high))) < 0.0:
        raise ConfigError("the goal box lies within task.obstacle_clearance_m of the obstacle: no goal can be reached")
    return {"obstacle": box.to_details()}


def _require_box(name: str, low: tuple[float, ...], high: tuple[float, ...]) -> None:
    if len(low) != 3 or len(high) != 3 or not all(a < b for a, b in zip(low, high, strict=True)):
        raise ConfigError(f"task.{name}_low {low} must lie below task.{name}_high {high}, x y z")
