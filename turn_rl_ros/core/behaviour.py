"""What acts in a session: random motion at first, later the policy with exploration around it.

Each episode draws one mode, so that whole stretches of data belong to one behaviour and `Transition.behaviour` can say which.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.config import param
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.spec import Box, TaskSpec

BEHAVIOURS = ("random", "policy", "exploring policy", "homing")
"""Names of `Transition.behaviour`."""

RANDOM, POLICY, EXPLORING, HOMING = range(len(BEHAVIOURS))


@dataclass(frozen=True)
class BehaviourConfig:
    """How a session explores; part of the `executor` block of a scenario file."""

    random_share: float = param(0.1, "share of later sessions' episodes that move at random", low=0.0, high=1.0)
    policy_share: float = param(0.2, "share of later sessions' episodes that follow the policy alone", low=0.0, high=1.0)
    noise: float = param(0.4, "standard deviation of the exploring policy's noise, as a share of the action range's half", low=0.0, high=2.0)
    noise_time_s: float = param(0.25, "time over which noise stays alike", unit="s", low=0.0, high=60.0)
    random_scale: float = param(0.8, "the same standard deviation for random motion", low=0.0, high=3.0)
    random_time_s: float = param(0.5, "time over which random motion stays alike", unit="s", low=0.0, high=60.0)
    random_reach: float = param(0.6, "standard deviation of the posture around home towards which an episode's random motion is drawn", unit="rad", low=0.0, high=6.3)
    pull: float = param(1.0, "random motion: share of the distance to that posture taken back in a second", unit="1/s", low=0.0, high=20.0)
    epsilon: float = param(0.2, "discrete tasks: share of the exploring policy's actions that are random", low=0.0, high=1.0)
    stickiness: float = param(0.7, "discrete tasks: probability that a random action repeats the last one", low=0.0, high=1.0)


_erf = np.vectorize(math.erf)


def _normal_cdf(x):
    return 0.5 * (1.0 + _erf(x / math.sqrt(2.0)))


class Behaviour(Protocol):
    """Chooses the actions of a session."""

    def begin(self, episode: int) -> None:
        """An episode starts; called before its first `act`."""
        ...

    def act(self, observation: NDArray[np.float32]) -> tuple[NDArray, int]:
        """The action, and what chose it as an index into BEHAVIOURS."""
        ...


class ArmBehaviour:
    """Box actions: Ornstein-Uhlenbeck motion about a random posture, or the policy plus Ornstein-Uhlenbeck noise.

    The first n_joints entries of the observation are taken as joint positions when actions are joint velocities.
    """

    def __init__(self, spec: TaskSpec, home, policy: Policy | None, config: BehaviourConfig, rng: np.random.Generator) -> None:
        assert isinstance(spec.action, Box)
        self._policy, self._config, self._rng, self._home = policy, config, rng, home
        low, high = np.array(spec.action.low, dtype=np.float32), np.array(spec.action.high, dtype=np.float32)
        self._low, self._high, self._half = low, high, (high - low) / 2
        self._period_s = spec.period_s
        self._follows_posture = spec.action.size == len(home)
        self._mode = RANDOM
        self._noise = np.zeros(spec.action.size)
        self._posture = np.array(home)

    def begin(self, episode: int) -> None:
        """Draw the episode's mode and posture; the noise starts afresh."""
        config, rng = self._config, self._rng
        self._mode = RANDOM
        if self._policy is not None:
            draw = rng.random()
            if draw >= config.random_share:
                self._mode = POLICY if draw < config.random_share + config.policy_share else EXPLORING
        self._posture = self._home + config.random_reach * rng.standard_normal(len(self._home))
        self._noise = rng.standard_normal(len(self._half))

    def act(self, observation):
        """See `Behaviour.act`."""
        config = self._config
        time_s = config.random_time_s if self._mode == RANDOM else config.noise_time_s
        keep = np.exp(-self._period_s / time_s) if time_s > 0 else 0.0
        self._noise = keep * self._noise + np.sqrt(1 - keep**2) * self._rng.standard_normal(len(self._half))
        if self._mode == RANDOM:
            action = config.random_scale * self._half * (2 * _normal_cdf(self._noise) - 1)
            if self._follows_posture:
                action = action + config.pull * (self._posture - observation[: len(self._posture)])
        else:
            action = self._policy.act(observation)
            if self._mode == EXPLORING:
                action = action + config.noise * self._half * self._noise
        return np.clip(action, self._low, self._high).astype(np.float32), self._mode
