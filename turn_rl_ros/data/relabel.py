"""The same transitions judged anew: another reward, success radius or goal. No robot time is spent twice."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros import __version__
from turn_rl_ros.core.task import change_reward, make_task, with_recorded_reward
from turn_rl_ros.data import hindsight
from turn_rl_ros.data.columns import Key
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.derive import new_sessions
from turn_rl_ros.data.errors import DatasetError, NothingChosen
from turn_rl_ros.data.hashes import Hashes, sha256_file
from turn_rl_ros.data.reading import survey
from turn_rl_ros.data.sealed import SessionInfo, read_rows
from turn_rl_ros.data.select import ALL, Choice, choose, differing, take

Reward = Callable[[Dataset], NDArray]
"""Rewards (n,) of n transitions; sees the new goals, and the old rewards as `rewards`."""

Found = tuple[SessionInfo, Key]


@dataclass(frozen=True)
class Change:
    """What is to be different; what is not named stays."""

    reward: str | None = None
    """Name of a reward that the task has, such as `sparse` or `dense` for reach."""
    success_radius_m: float | None = None
    goal: tuple[float, ...] | None = None
    """One goal for all episodes, metres in the base frame."""
    hindsight: Literal["final", "future"] | None = None
    """Goals that the episodes did reach; see `data.hindsight`."""
    copies: int = 1
    """With `future`: copies of each episode."""
    keep: bool = False
    """With hindsight: each episode also with its own goal."""
    seed: int = 0
    """Of the steps that `future` draws."""

    def __post_init__(self) -> None:
        """Raise DatasetError for parts that contradict each other."""
        if self.goal is not None and self.hindsight:
            raise DatasetError("one goal for all episodes and goals in hindsight exclude each other")
        if self.copies < 1:
            raise DatasetError(f"hindsight makes one copy of each episode or more, not {self.copies}")

    def named(self) -> dict[str, Any]:
        """What differs from a change of nothing, as plain JSON values."""
        return differing(self, Change())


def relabel(data: Dataset, change: Change, reward: Reward | None = None) -> Dataset:
    """The transitions of `data` under a change, and under a reward of your own if one is given.

    Observations are worked out again where the goal is new, rewards where anything is. An episode ends where the task
    now says that it does; where it used to say so and no longer does, the end becomes a time-out. The spec, and with it
    the fingerprint, changes with reward and radius, but not with goals, which are data. With a `reward` of your own the
    spec says that rewards stand in the data, and learning tries no further goals on them.

    Raises:
        ConfigError: the task's reward has no such parameter, or the value is out of range.
        DatasetError: the change cannot be made on this data; says why.
    """
    task, judged = make_task(data.spec), {"reward": change.reward, "success_radius_m": change.success_radius_m}
    spec = change_reward(data.spec, {name: value for name, value in judged.items() if value is not None})
    new = data
    if change.goal is not None:
        new = replace(data, goal=_one_goal(data, change.goal))
    elif change.hindsight:
        future = change.copies if change.hindsight == "future" else 0
        new = hindsight.copies(data, task, future, keep=change.keep, seed=change.seed)
    if new is not data:
        seen, then = (task.with_goal(of, new.goal) for of in (new.observations, new.next_observations))
        new = replace(new, observations=_single(seen), next_observations=_single(then))
    if reward is not None:
        return replace(new, spec=with_recorded_reward(spec), rewards=_own(reward, new))
    return new if new is data and spec == data.spec else _judge(replace(new, spec=spec))


def relabel_sessions(
    directory: Path,
    out: Path,
    change: Change,
    choice: Choice = ALL,
    reward: Reward | None = None,
    progress: Callable[[list[Found]], Iterable[Found]] = iter,
) -> list[Path]:
    """Relabel the chosen transitions of every sealed session in `directory` into sealed sessions of the new `out`.

    One session is in memory at a time. Each new one keeps the facts of the old, and `derived_from` says which file it
    comes from, with its sha256, and what was changed. The originals are only read. The same call makes the same rows.

    Args:
        directory: sealed sessions.
        out: a directory that does not exist yet; it appears whole or not at all.
        change: what is to be different.
        choice: which transitions to take; all, if it says nothing.
        reward: as for `relabel`.
        progress: wraps the list of sessions, to show how far it is.

    Raises:
        SessionExists: `out` exists. DatasetError: a session is damaged, or nothing fits the choice. SessionError: the
            disk refuses. ConfigError: as `relabel`.
    """
    pairs = zip(*survey(directory, Hashes(directory)), strict=True)
    found = [(info, key) for info, key in pairs if info.rows and choice.wants(info)]
    made = []
    with new_sessions(Path(out)) as sessions:
        for info, key in progress(found):
            if (sha256 := sha256_file(info.path)) != key.sha256:
                raise DatasetError(f"{info.path.name} changed after it was sealed: its sha256 is not the manifest's")
            try:
                old = choose(Dataset.from_rows(read_rows(info), info.spec, (info,)), choice)
            except NothingChosen:
                continue
            new = relabel(old, change, reward)
            made.append(sessions.add(new.spec, new.to_rows(), _provenance(info, sha256, change, choice, reward)))
        if not made:
            raise NothingChosen(f"no transition in {directory} fits this choice")
    return [Path(out) / path.name for path in made]


def _provenance(
    info: SessionInfo, sha256: str, change: Change, choice: Choice, reward: Reward | None
) -> dict[str, Any]:
    """Facts of the new session: those of the old one, an id of its own, and where it comes from."""
    own = {"reward_function": getattr(reward, "__qualname__", repr(reward))} if reward else {}
    origin = {"file": info.path.name, "sha256": sha256, "change": {**change.named(), **own}, "choice": choice.named()}
    if info.facts["derived_from"]:
        origin["derived_from"] = info.facts["derived_from"]
    session_id = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:8]
    return {**info.facts, "session_id": session_id, "software_version": __version__, "derived_from": origin}


def _judge(data: Dataset) -> Dataset:
    """Rewards and ends of episodes as the task of `data.spec` has them."""
    task, (starts, stops) = make_task(data.spec), data.episode_bounds()
    rewards = _single(task.reward(data.next_joint_position, data.goal))
    if np.isnan(rewards).any():
        raise DatasetError(f"no formula gives the rewards of this {data.spec.task} data; give a reward function")
    terminals = task.terminated(data.next_joint_position, data.goal)
    before: NDArray[np.int64] = np.cumsum(terminals) - terminals
    over = before > np.repeat(before[starts], stops - starts)  # the rows after the end of their episode
    last = np.zeros(len(data), dtype=bool)
    last[stops - 1] = True
    data = replace(data, rewards=rewards, terminals=terminals, timeouts=(data.timeouts | last) & ~terminals)
    return take(data, ~over) if over.any() else data


def _one_goal(data: Dataset, goal: tuple[float, ...]) -> NDArray[np.float64]:
    size = data.goal.shape[1]
    if len(goal) != size or not np.isfinite(goal).all():
        raise DatasetError(f"a goal of this {data.spec.task} data has {size} finite values, not {goal}")
    return np.tile(np.asarray(goal, np.float64), (len(data), 1))


def _own(reward: Reward, data: Dataset) -> NDArray[np.float32]:
    """What a function from outside says, checked."""
    rewards = np.asarray(reward(data))
    if rewards.shape != (len(data),) or not np.isfinite(rewards).all():
        raise DatasetError(f"a reward function gives {len(data)} finite numbers here; it gave shape {rewards.shape}")
    return _single(rewards)


def _single(values: NDArray) -> NDArray[np.float32]:
    return values.astype(np.float32, copy=False)
