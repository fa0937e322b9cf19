"""A session with a Gymnasium environment: its own reset and step, recorded as transitions."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.behaviour import Behaviour
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.transition import Transition

NOTHING: NDArray[np.float64] = np.zeros(0)
"""Joints and goals of an environment that has none."""


class Env(Protocol):
    """The part of `sim.gymnasium_env.GymnasiumEnv` that a session needs."""

    task_spec: TaskSpec

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        ...

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One control period."""
        ...


def step_session(env: Env, behaviour: Behaviour, steps: int, seed: int) -> list[Transition]:
    """Record `steps` control periods; the reset between two episodes takes no time, as Gymnasium has it.

    Args:
        env: the environment.
        behaviour: chooses the actions.
        steps: the window in control periods; the episode under way at its end is truncated.
        seed: of the environment's randomness in this session.
    """
    period_ns = env.task_spec.period_ns
    rows: list[Transition] = []
    observation, episode, step = env.reset(seed=seed)[0], 0, 0
    behaviour.begin(episode)
    for tick in range(steps):
        action, mode = behaviour.act(observation)
        following, reward, terminated, truncated, _ = env.step(action)
        rows.append(
            Transition(
                observation=observation,
                action=action,
                reward=reward,
                next_observation=following,
                terminated=terminated,
                truncated=not terminated and (truncated or tick == steps - 1),
                joint_position=NOTHING,
                joint_velocity=NOTHING,
                next_joint_position=NOTHING,
                next_joint_velocity=NOTHING,
                goal=NOTHING,
                stamp_ns=tick * period_ns,
                next_stamp_ns=(tick + 1) * period_ns,
                episode=episode,
                step=step,
                behaviour=mode,
            )
        )
        observation, step = following, step + 1
        if terminated or truncated:
            observation, episode, step = env.reset()[0], episode + 1, 0
            behaviour.begin(episode)
    return rows
