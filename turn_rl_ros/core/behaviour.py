"""What acts in a session: random motion at first, later the policy and exploration.

Each episode draws one mode, so that a stretch of data comes from one behaviour; `Transition.behaviour` says which.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.choice import ChoiceExplorer
from turn_rl_ros.core.exploration import ArmExplorer, BehaviourConfig, Explorer
from turn_rl_ros.core.grid_search import GridExplorer
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.task import Task

BEHAVIOURS = ("random", "policy", "exploring", "homing")
"""Names of `Transition.behaviour`. Exploring is the policy with noise, or on a grid also a directed search."""

RANDOM, POLICY, EXPLORING, HOMING = range(len(BEHAVIOURS))


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
    explorer: Explorer
    if task.spec.task == "gridworld":
        explorer = GridExplorer(task, config, rng, policy)
    else:
        explorer = (ChoiceExplorer if task.spec.discrete else ArmExplorer)(task, config, rng)
    return SessionBehaviour(explorer, config, policy, rng)
