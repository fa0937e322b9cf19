"""What off-policy evaluation looks at: transitions, where episodes start, and what each policy would do there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.inputs import Inputs
from turn_rl_ros.learn.replay import Replay, scale_actions, shows_goal
from turn_rl_ros.learn.starts import first_rows

ROWS = 50_000
"""Most rows that networks are fitted to; a one-hot state takes all."""
GOALS = 4
"""Goals with which each transition is seen where observations show the goal."""
STARTS = 256
"""Starting states at which a goal-conditioned policy's value is asked for."""


@dataclass(frozen=True)
class Cases:
    """Rows (N,) for P policies; states are network inputs, actions as `replay.scaled_actions` gives them."""

    inputs: Inputs
    actions: int
    """Numbers in an action, or how many actions there are."""
    state: Tensor
    action: Tensor
    reward: Tensor
    next_state: Tensor
    terminal: Tensor
    episode: NDArray[np.int64]
    """(N,) from 0 on; what is resampled together."""
    next_action: Tensor
    """(P, N, ...) each policy's choice in `next_state`."""
    start: Tensor
    """(K, ...) states in which episodes start."""
    start_action: Tensor
    """(P, K, ...)."""
    low: float
    """Least attainable discounted return."""
    high: float
    """Greatest one."""

    @property
    def policies(self) -> int:
        """P."""
        return len(self.next_action)

    @property
    def episodes(self) -> int:
        """How many episodes the rows come from."""
        return int(self.episode[-1]) + 1


def make_cases(data: Dataset, policies: Sequence[Policy], config: TrainerConfig, discount: float) -> Cases:
    """Cases from a dataset. Where goals show, rows are relabelled as in training and starts have goals of the task."""
    rng, task = np.random.default_rng(0), make_task(data.spec)
    goals, starts, rows = shows_goal(data, task), first_rows(data), np.arange(len(data))
    if goals:
        starts = rng.choice(starts, STARTS)
    if goals or (len(data) > ROWS and not config.one_hot):
        rows = np.sort(rng.integers(len(data), size=min(ROWS, GOALS * len(data))))
    table = Replay(data, task, config).relabelled(rows, rng)
    begun = Replay(data, task, replace(config, hindsight_share=0.0, resample_share=1.0)).relabelled(starts, rng)
    inputs = Inputs(data.spec, table.observation, config.one_hot)
    rewards = np.append(table.reward, [data.rewards.min(), data.rewards.max()])
    low, high = eq.return_bounds(float(rewards.min()), float(rewards.max()), discount)
    return Cases(
        inputs=inputs,
        actions=data.spec.action.size,
        state=inputs(table.observation),
        action=torch.from_numpy(table.action),
        reward=torch.from_numpy(table.reward),
        next_state=inputs(table.next_observation),
        terminal=torch.from_numpy(table.terminal),
        episode=np.unique(data.episode[rows], return_inverse=True)[1],
        next_action=choices(data, policies, table.next_observation),
        start=inputs(begun.observation),
        start_action=choices(data, policies, begun.observation),
        low=low,
        high=high,
    )


def choices(data: Dataset, policies: Sequence[Policy], observations: NDArray[np.float32]) -> Tensor:
    """What each policy does in each of observations (n, observation.size), scaled: (P, n, ...).

    The policy runs as it does on the robot, once for each observation that differs from the others.
    """
    different, where = np.unique(observations, axis=0, return_inverse=True)
    acted = np.array([[policy.act(observation) for observation in different] for policy in policies])
    return torch.from_numpy(scale_actions(acted, data.spec)[:, where.ravel()])
