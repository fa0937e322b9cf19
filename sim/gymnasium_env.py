"""Any Gymnasium environment behind the same door as the simulated arms."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from turn_rl_ros.core.door import GymnasiumFacts
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.robot import UNLIMITED
from turn_rl_ros.core.spec import Box, Discrete, TaskSpec
from turn_rl_ros.core.task import make_task

LONGEST = 1000
"""Steps of an episode where the environment names no time limit."""
RATE_HZ = 20.0
"""Where the environment says nothing of time."""


class GymnasiumEnv(gymnasium.Wrapper):
    """The environment of a spec; observations are vectors, rewards are scaled as the spec says.

    `info` has, beside the environment's own, what `core.evaluation` asks for: distance (NaN) and is_success (False,
    unless the environment says otherwise).
    """

    def __init__(self, spec: TaskSpec, seed: int = 0) -> None:
        """Raises ConfigError when the environment cannot be made."""
        super().__init__(_make(spec.robot, spec.episode_steps))
        self.task_spec, self.task = spec, make_task(spec)
        self._scale = float(spec.details["reward_scale"])
        super().reset(seed=seed)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; there is no goal to be set, so `options` are left aside."""
        observation, info = self.env.reset(seed=seed)
        return _vector(observation), _told(info)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """As the environment has it."""
        inner = self.env.action_space
        taken = int(action) if isinstance(inner, spaces.Discrete) else np.asarray(action, inner.dtype)
        observation, reward, terminated, truncated, info = self.env.step(taken)
        return _vector(observation), self._scale * float(reward), bool(terminated), bool(truncated), _told(info)


def facts_of(id: str) -> GymnasiumFacts:
    """Spaces, rate and time limit of an environment. Raises ConfigError."""
    env = _make(id)
    try:
        limit = env.spec.max_episode_steps if env.spec is not None else None
        return GymnasiumFacts(
            _box(id, "observation", env.observation_space),
            _action(id, env.action_space),
            _rate_hz(env),
            limit or LONGEST,
        )
    finally:
        env.close()


def _make(id: str, steps: int | None = None) -> gymnasium.Env:
    try:
        return gymnasium.make(id, max_episode_steps=steps)
    except (gymnasium.error.Error, ImportError) as error:
        raise ConfigError(f"task.id = {id!r}: {str(error).splitlines()[0]}") from error


def _rate_hz(env: gymnasium.Env) -> float:
    """Steps a second: of the inner `dt` or `tau`, else of the frame rate."""
    for name in ("dt", "tau"):
        step_s = getattr(env.unwrapped, name, None)
        if isinstance(step_s, float) and step_s > 0.0:
            return 1.0 / step_s
    return float(env.metadata.get("render_fps") or RATE_HZ)


def _action(id: str, space: spaces.Space) -> Box | Discrete:
    if isinstance(space, spaces.Discrete):
        if space.start != 0:
            raise ConfigError(f"task.id = {id!r}: its actions count from {space.start}; only those from 0 are known")
        return Discrete(tuple(f"action_{i}" for i in range(int(space.n))))
    box = _box(id, "action", space)
    if max(map(abs, (*box.low, *box.high))) >= UNLIMITED:
        raise ConfigError(f"task.id = {id!r}: its actions have no bounds; wrap it in gymnasium.wrappers.RescaleAction")
    return box


def _box(id: str, what: str, space: spaces.Space) -> Box:
    if not isinstance(space, spaces.Box) or (what == "action" and len(space.shape) != 1):
        raise ConfigError(f"task.id = {id!r}: its {what} is {space}; only vectors and choices of an action are known")
    low, high = (np.clip(bound.ravel().astype(float), -UNLIMITED, UNLIMITED) for bound in (space.low, space.high))
    names = tuple(f"{what}_{i}" for i in range(low.size))
    return Box(names, ("unknown",) * low.size, tuple(low.tolist()), tuple(high.tolist()))


def _vector(observation: Any) -> np.ndarray:
    return np.asarray(observation, dtype=np.float32).ravel()


def _told(info: dict[str, Any]) -> dict[str, Any]:
    return {"is_success": False, **info, "distance": np.nan}
