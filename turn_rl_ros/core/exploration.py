"""How a session explores: the parameters, and correlated noise for arms. NumPy only."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.config import param
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.spec import Box
from turn_rl_ros.core.task import Task

Array = NDArray[np.float64]


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
        0.7, "grids: share of exploring episodes that search for what was never tried instead", low=0.0, high=1.0
    )
    foresight: bool = param(True, "grids: a search takes what aims at a cell never visited before what was never tried")
    stickiness: float = param(0.5, "grids: probability that a random move repeats the last one", low=0.0, high=1.0)
    walk_steps: int = param(
        0, "grids: random moves after each move that a search was for", unit="steps", low=0, high=100000
    )


class Explorer(Protocol):
    """Finds actions that a policy alone would not; observations are (observation.size,)."""

    def begin(self) -> None:
        """An episode starts."""
        ...

    def random(self, observation: NDArray[np.float32]) -> NDArray:
        """An action without a policy."""
        ...

    def explore(self, observation: NDArray[np.float32], policy: Policy) -> NDArray:
        """An action with one."""
        ...

    def remember(self, observation: NDArray[np.float32], action: NDArray) -> None:
        """What was chosen in the end, by whom ever."""
        ...


class ArmExplorer:
    """Ornstein-Uhlenbeck noise: neighbouring ticks push alike, so that the arm goes somewhere instead of trembling.

    Random motion turns it into velocities that are uniform over the action range and adds a pull towards a posture near
    home, new in each episode: uniform, because conservatism costs most where the data has hardly any actions, and the
    fastest actions are the useful ones; the pull, because a random walk would leave the arm at its joint limits.
    """

    def __init__(self, task: Task, config: BehaviourConfig, rng: np.random.Generator) -> None:
        action = task.spec.action
        assert isinstance(action, Box)
        self._task, self._config, self._rng = task, config, rng
        self._low, self._high = np.array(action.low), np.array(action.high)
        self._half, self._middle = (self._high - self._low) / 2, (self._high + self._low) / 2
        self._period_s = task.spec.period_s
        self._joints = len(task.home) if action.size == len(task.home) else 0
        self._noise = np.zeros(action.size)
        self._pulled_to = np.zeros(action.size)

    def begin(self) -> None:
        """A new posture; the noise starts in its stationary distribution."""
        posture = self._task.home + self._config.random_reach * self._rng.standard_normal(len(self._task.home))
        self._pulled_to = posture if self._joints else self._task.achieved_goal(posture)
        self._noise = self._rng.standard_normal(len(self._half))

    def random(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Velocities within the bounds, (action.size,)."""
        self._advance(self._config.random_time_s)
        uniform = np.array([math.erf(x / math.sqrt(2.0)) for x in self._noise])
        return self._bounded(self._middle + self._config.random_scale * self._half * uniform + self._pull(observation))

    def explore(self, observation: NDArray[np.float32], policy: Policy) -> NDArray[np.float32]:
        """The policy's action plus noise, within the bounds."""
        self._advance(self._config.noise_time_s)
        return self._bounded(policy.act(observation) + self._config.noise * self._half * self._noise)

    def remember(self, observation: NDArray[np.float32], action: NDArray) -> None:
        """Nothing to remember."""

    def _pull(self, observation: NDArray[np.float32]) -> Array | float:
        """Velocity back to the posture of this episode; what has no joints has none."""
        if not len(self._task.home):
            return 0.0
        # Joint velocities are pulled in joint space, end-effector velocities in the space of the end effector.
        place = observation[: self._joints] if self._joints else observation[-6:-3]
        return self._config.pull * (self._pulled_to - place)

    def _advance(self, time_s: float) -> None:
        """One period of the Ornstein-Uhlenbeck process with unit variance, exactly discretised."""
        keep = math.exp(-self._period_s / time_s) if time_s > 0 else 0.0
        self._noise = keep * self._noise + math.sqrt(1 - keep**2) * self._rng.standard_normal(len(self._noise))

    def _bounded(self, action: Array) -> NDArray[np.float32]:
        return np.clip(action, self._low, self._high).astype(np.float32)
