"""What acts in a session: random motion at first, later the policy and exploration.

Each episode draws one mode, so that a stretch of data comes from one behaviour; `Transition.behaviour` says which.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.config import param
from turn_rl_ros.core.exploration import ArmExplorer, Explorer, GridExplorer
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.task import Task

BEHAVIOURS = ("random", "policy", "exploring", "homing")
"""Names of `Transition.behaviour`. Exploring is the policy with noise, or on a grid also a directed search."""

RANDOM, POLICY, EXPLORING, HOMING = range(len(BEHAVIOURS))


@dataclass(frozen=True)
class BehaviourConfig:
    """How a session explores; the `behaviour` block of the executor in a scenario file."""

    random_share: float = param(0.1, "share of later sessions' episodes that move at random", low=0.0, high=1.0)
    policy_share: float = param(0.2, "share of later sessions' episodes by the policy alone", low=0.0, high=1.0)
    random_scale: float = param(
        1.0, "arms: random motion is uniform over this share of the action range", low=0.0, high=1.0
    )
    random_time_s: float = param(0.5, "arms: time over which random motion stays alike", unit="s", low=0.0, high=60.0)
    random_reach: float = param(
        0.3, "arms: spread around home of the postures that random motion is drawn to", unit="rad", low=0.0, high=6.3
    )
    pull: float = param(
        1.0, "arms: share of the way to that posture that is drawn back per second", unit="1/s", low=0.0, high=20.0
    )
    noise: float = param(
        0.4, "arms: standard deviation of exploring noise as a share of the action range's half", low=0.0, high=2.0
    )
    noise_time_s: float = param(0.25, "arms: time over which that noise stays alike", unit="s", low=0.0, high=60.0)
    epsilon: float = param(
        0.1, "grids: share of random moves while the exploring episode follows the policy", low=0.0, high=1.0
    )
    search_share: float = param(
        0.7, "grids: share of exploring episodes that search for rarely visited cells instead", low=0.0, high=1.0
    )
    stickiness: float = param(0.5, "grids: probability that a random move repeats the last one", low=0.0, high=1.0)
    walk_steps: int = param(
        80, "grids: random moves after each rarely visited cell that a search goes to", unit="steps", low=1, high=100000
    )


class Behaviour(Protocol):
    """Chooses the actions of a session."""

    def begin(self, episode: int) -> None:
        """An episode starts; called before its first `act`."""
        ...

    def act(self, observation: NDArray[np.float32]) -> tuple[NDArray, int]:
        """The action, and what chose it as an index into BEHAVIOURS."""
        ...


class SessionBehaviour:
    """Chooses the actions of one session. Its state is the mode of the episode, the explorer's, and `rng`."""

    def __init__(
        self, explorer: Explorer, config: BehaviourConfig, policy: Policy | None, rng: np.random.Generator
    ) -> None:
        self._explorer, self._config, self._policy, self._rng = explorer, config, policy, rng
        self._mode = RANDOM

    def begin(self, episode: int) -> None:
        """An episode starts: draw its mode."""
        self._mode = self._draw_mode()
        self._explorer.begin()

    def act(self, observation: NDArray[np.float32]) -> tuple[NDArray, int]:
        """The action for an observation (observation.size,), and what chose it as an index into BEHAVIOURS."""
        if self._policy is None or self._mode == RANDOM:
            action = self._explorer.random(observation)
        elif self._mode == POLICY:
            action = self._policy.act(observation)
        else:
            action = self._explorer.explore(observation, self._policy)
        self._explorer.remember(observation, action)
        return action, self._mode

    def _draw_mode(self) -> int:
        if self._policy is None:
            return RANDOM
        draw = self._rng.random()
        if draw < self._config.random_share:
            return RANDOM
        return POLICY if draw < self._config.random_share + self._config.policy_share else EXPLORING


def make_behaviour(task: Task, config: BehaviourConfig, policy: Policy | None, rng: np.random.Generator) -> Behaviour:
    """What acts in a session of `task`; without a policy, random motion. The one constructor that nodes use."""
    explorer = GridExplorer if task.spec.discrete else ArmExplorer
    return SessionBehaviour(explorer(task, config, rng), config, policy, rng)
