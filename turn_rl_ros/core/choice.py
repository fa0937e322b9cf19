"""How a task with a few actions to choose from is explored where nothing is known of its states. NumPy only."""

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.task import Task


class ChoiceExplorer:
    """Random actions that tend to repeat; with a policy, its actions and now and then such a random one."""

    def __init__(self, task: Task, config: BehaviourConfig, rng: np.random.Generator) -> None:
        self._config, self._rng, self._actions = config, rng, task.spec.action.size
        self._last: NDArray | None = None

    def begin(self) -> None:
        """The last action was another episode's."""
        self._last = None

    def random(self, observation: NDArray[np.float32]) -> NDArray[np.int64]:
        """The last action again, or any, () int64."""
        if self._last is not None and self._rng.random() < self._config.stickiness:
            return self._last
        return np.array(self._rng.integers(self._actions))

    def explore(self, observation: NDArray[np.float32], policy: Policy) -> NDArray[np.int64]:
        """The policy's action, or with probability epsilon a random one, () int64."""
        if self._rng.random() < self._config.epsilon:
            return self.random(observation)
        return policy.act(observation)

    def remember(self, observation: NDArray[np.float32], action: NDArray) -> None:
        """What to repeat."""
        self._last = np.asarray(action)
