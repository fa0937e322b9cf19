"""What the returns of two programs are compared on: data to learn from, and how a policy is judged.

Pendulum is judged in Gymnasium and reach in the simulator. Of pushball there is no simulator: both programs' policies
are judged by one fitted Q evaluation on the data, and by how far from the expert's recorded actions theirs are.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
from numpy.typing import NDArray

from benchmarks.in_process import Scenario
from turn_rl_ros.core.policy import Policy
from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.data.dataset import Dataset, load_dataset
from turn_rl_ros.data.exchange.imports import import_file
from turn_rl_ros.data.relabel import Change, relabel
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.selection.fqe import estimate_values

Array = NDArray[np.float64]
Judge = Callable[[Sequence[Policy]], Array]
"""One number a policy, higher is better."""

DATA = "TURN_RL_TEST_DATA"
EPISODES = 20
"""Episodes, or held-out goals, on which a policy is judged: the same for all."""
LOGGED = 100
"""Episodes of the Pendulum replay, of 200 steps each."""
REWARD_SCALE = 0.1
"""Of the Pendulum replay, whose rewards go down to -16; its returns are told unscaled."""


@dataclass(frozen=True)
class Problem:
    """Data, and how policies learnt from it are judged."""

    name: str
    data: Dataset
    settings: Mapping[str, Any]
    """Of `TrainerConfig`, over those that all problems share."""
    alpha: float
    judges: Mapping[str, tuple[str, Judge]]
    """What is judged -> its unit, and who does."""


class UniformPolicy:
    """Actions at random, from the whole range: the zero of a normalised score (Fu et al. 2020)."""

    def __init__(self, spec: TaskSpec) -> None:
        assert isinstance(spec.action, Box)
        self._rng, self._low, self._high = np.random.default_rng(0), spec.action.low, spec.action.high

    def act(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """(action.size,) whatever is observed."""
        return self._rng.uniform(self._low, self._high).astype(np.float32)


def pendulum(folder: Path) -> Problem:
    """Gymnasium's Pendulum-v1 and a replay of learning to swing it up: from noise to a working controller."""
    path = folder / "pendulum.hdf5"
    log_pendulum(path)
    import_file(path, folder / "pendulum")
    data = load_dataset(folder / "pendulum")
    return Problem("pendulum", data, {"discount": 0.97}, 0.1, {"return": ("reward", returns_of_pendulum)})


def log_pendulum(path: Path) -> None:
    """Write the replay as D4RL has it. The share of noise in the torque falls from episode to episode, from 1 to 0."""
    env, rng = gymnasium.make("Pendulum-v1"), np.random.default_rng(0)
    columns: dict[str, list[Any]] = {name: [] for name in ("observations", "actions", "rewards", "next_observations",
                                                           "terminals", "timeouts")}  # fmt: skip
    for episode in range(LOGGED):
        observation, _ = env.reset(seed=episode)
        share, noise, truncated = 1.0 - episode / (LOGGED - 1), 0.0, False
        while not truncated:
            noise = 0.8 * noise + 0.6 * rng.normal()
            torque = (1.0 - share) * swing_up(observation) + share * 2.0 * noise
            action = np.clip([torque], -2.0, 2.0).astype(np.float32)
            after, reward, terminated, truncated, _ = env.step(action)
            row = (observation, action, REWARD_SCALE * reward, after, terminated, truncated)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
            observation = after
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = np.array(values, dtype=bool if name in ("terminals", "timeouts") else np.float32)


def swing_up(observation: NDArray[np.float32]) -> float:
    """Torque in N m of a controller that pumps energy (Astrom and Furuta 2000) and balances near the top."""
    cosine, sine, velocity = (float(value) for value in observation)
    if cosine > 0.85:
        return -10.0 * float(np.arctan2(sine, cosine)) - 2.0 * velocity
    energy = velocity**2 / 6.0 + 5.0 * cosine  # in J, of a rod of 1 kg and 1 m; 5 J when it stands
    return 2.0 * velocity * (5.0 - energy)


def returns_of_pendulum(policies: Sequence[Policy]) -> Array:
    """Mean undiscounted return over `EPISODES` starts that the replay does not have."""
    env, returns = gymnasium.make("Pendulum-v1"), np.zeros((len(policies), EPISODES))
    for index, policy in enumerate(policies):
        for episode in range(EPISODES):
            (observation, _), truncated = env.reset(seed=10_000 + episode), False
            while not truncated:
                observation, reward, _, truncated, _ = env.step(policy.act(observation))
                returns[index, episode] += reward
    return returns.mean(axis=1)


def reach(folder: Path) -> Problem:
    """The simulated Panda: three random sessions of a minute, with goals in hindsight, so that both sides have them."""
    scenario = Scenario.load("panda")
    sessions = [scenario.session(None, turn, seed=0) for turn in range(3)]
    data = relabel(scenario.dataset(sessions), Change(hindsight="future", copies=4, keep=True))

    def returns(policies: Sequence[Policy]) -> Array:
        return np.array([scenario.score(policy, EPISODES).mean_return for policy in policies])

    return Problem("reach", data, {"discount": 0.9}, 0.05, {"return": ("reward", returns)})


def pushball(folder: Path) -> Problem | None:
    """Someone's simulated soccer robots (Guided-Data-Augmentation); None where the recordings are not here."""
    source = Path(os.environ.get(DATA, "")) / "rl" / "pushball_d4rl"
    if not source.is_dir():
        return None
    for name in ("dataset", "dataset_expert_1000"):
        import_file(source / f"{name}.hdf5", folder / name)
    data, expert = (load_dataset(folder / name) for name in ("dataset", "dataset_expert_1000"))
    half = (np.array(data.spec.action.high) - np.array(data.spec.action.low)) / 2

    def values(policies: Sequence[Policy]) -> Array:
        config = TrainerConfig(width=64, learning_rate=1e-3, target_rate=0.01)
        return estimate_values(data, policies, config, discount=0.97, steps=2000, resamples=0).values[:, 0]

    def closeness(policies: Sequence[Policy]) -> Array:
        actions = np.array([[policy.act(one) for one in expert.observations] for policy in policies])
        return -np.square((actions - expert.actions) / half).mean(axis=(1, 2))

    judges = {"estimated return": ("reward", values), "likeness to the expert's actions": ("-MSE", closeness)}
    return Problem("pushball", data, {"discount": 0.97}, 0.05, judges)


PROBLEMS: dict[str, Callable[[Path], Problem | None]] = {"pendulum": pendulum, "reach": reach, "pushball": pushball}
