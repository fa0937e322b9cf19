"""The form between all formats: transitions in rows, and what a file says about them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.exchange import checks
from turn_rl_ros.data.exchange.checks import ExchangeError, same_rows

SAME = 1e-5
"""Observations that differ by less than this share of their column's range are the same one."""
RAW = ("joint_position", "joint_velocity", "next_joint_position", "next_joint_velocity", "goal", "command")
RAW_NUMBERS = ("stamp_ns", "next_stamp_ns", "episode", "step", "behaviour", "intervention")


@dataclass(frozen=True)
class Origin:
    """What a file tells beside its rows; empty, or None, where it tells nothing."""

    robot: str = ""
    rate_hz: float | None = None
    observation_names: tuple[str, ...] = ()
    observation_units: tuple[str, ...] = ()
    action_names: tuple[str, ...] = ()
    action_units: tuple[str, ...] = ()
    action_low: tuple[float, ...] = ()
    action_high: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raise ExchangeError for a value of the wrong type: all of this is what a stranger's file says."""
        texts = (self.robot, *self.observation_names, *self.observation_units, *self.action_names, *self.action_units)
        values = (*self.action_low, *self.action_high, *(() if self.rate_hz is None else (self.rate_hz,)))
        if not all(isinstance(one, str) for one in texts) or not all(isinstance(one, float) for one in values):
            raise ExchangeError("what the file says about names, bounds or rate is of the wrong type")

    @classmethod
    def of(cls, spec: TaskSpec) -> "Origin":
        """What a task spec of ours tells."""
        names = {"observation_names": spec.observation.names, "action_names": spec.action.names}
        known: dict[str, Any] = {"robot": spec.robot, "rate_hz": float(spec.rate_hz), **names}
        if isinstance(spec.action, Box):
            known["action_units"] = spec.action.units
            known |= {f"action_{end}": tuple(map(float, getattr(spec.action, end))) for end in ("low", "high")}
        return cls(observation_units=spec.observation.units, **known)

    @classmethod
    def told(cls, task_spec: object) -> "Origin":
        """What the text of a task spec of ours tells, where a file carries one."""
        try:
            return cls.of(TaskSpec.from_json(task_spec)) if isinstance(task_spec, str) else cls()
        except (TurnRlError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls()


@dataclass(frozen=True)
class Experience:
    """Transitions, one a row and every value finite; each episode ends in a row that is a terminal or a timeout."""

    observations: NDArray[np.float32]
    """(rows, observation size)"""
    actions: NDArray
    """(rows, action size) float32, or (rows,) int64 where actions are indices."""
    rewards: NDArray[np.float32]
    """(rows,), like the flags."""
    next_observations: NDArray[np.float32]
    terminals: NDArray[np.bool_]
    timeouts: NDArray[np.bool_]
    origin: Origin = field(default_factory=Origin)
    notes: tuple[str, ...] = ()
    """What had to be inferred, left out or decided, a sentence each."""
    infos: Mapping[str, NDArray] = field(default_factory=dict)
    """Raw state behind the rows, one entry a row each; only for formats that have a place for it."""

    def __len__(self) -> int:
        """Count the transitions."""
        return len(self.rewards)

    @property
    def discrete(self) -> bool:
        """Whether actions are indices."""
        return self.actions.ndim == 1

    @property
    def stops(self) -> NDArray[np.int64]:
        """The row after the last one of each episode, (episodes,)."""
        return np.flatnonzero(self.terminals | self.timeouts) + 1

    def episodes(self) -> Iterator[slice]:
        """The rows of each episode."""
        stops = self.stops.tolist()
        return (slice(start, stop) for start, stop in zip([0, *stops[:-1]], stops, strict=True))

    def framed(self, rows: slice) -> NDArray[np.float32]:
        """The n + 1 observations of an episode of n steps, its last one included."""
        return np.concatenate([self.observations[rows], self.next_observations[rows.stop - 1 : rows.stop]])

    @classmethod
    def of(cls, data: Dataset) -> "Experience":
        """All rows of a dataset of ours; an episode with a gap in it ends there and a new one begins.

        Raises ExchangeError for a value that is not finite, which no other side could use.
        """
        infos = {name: getattr(data, name) for name in (*RAW, *RAW_NUMBERS)}
        return join(
            checks.table("observations", data.observations),
            checks.actions("actions", data.actions),
            checks.numbers("rewards", data.rewards),
            data.terminals,
            data.timeouts,
            checks.table("next_observations", data.next_observations),
            origin=Origin.of(data.spec),
            infos={name: values for name, values in infos.items() if values.size},
        )


def join(
    observations: NDArray[np.float32],
    actions: NDArray,
    rewards: NDArray[np.float32],
    terminals: NDArray[np.bool_],
    timeouts: NDArray[np.bool_],
    next_observations: NDArray[np.float32] | None = None,
    *,
    origin: Origin | None = None,
    notes: Iterable[str] = (),
    infos: Mapping[str, NDArray] | None = None,
) -> Experience:
    """Checked columns as experience, with the ends of episodes made explicit; `notes` of the result tell how.

    A row that is terminal and timed out is terminal. Without `next_observations` the next row's observation is taken:
    a terminal row keeps its own (nothing is bootstrapped from it), the last row of any other episode is left out, as
    D4RL's `qlearning_dataset` does. With them, an episode also ends where they do not continue in the next row.

    Raises:
        ExchangeError: the columns do not fit each other, or no row is left.
    """
    columns = {"actions": actions, "observations": observations, "rewards": rewards, "terminals": terminals}
    same_rows({**columns, "timeouts": timeouts})
    found, last = list(notes), np.arange(len(rewards)) == len(rewards) - 1
    if (both := terminals & timeouts).any():
        found.append(f"{both.sum()} rows are terminal and timed out, first row {both.argmax()}: taken as terminal")
    if next_observations is None:
        next_observations = np.concatenate([observations[1:], observations[-1:]])
        next_observations[terminals] = observations[terminals]
        keep = terminals | ~(timeouts | last)
        timeouts = np.append(~keep[1:], False)
        if not keep.all():
            found.append(
                f"no next observation is recorded: the last row of {(~keep).sum()} timed-out episodes is left out"
            )
    else:
        if next_observations.shape != observations.shape:
            raise ExchangeError(
                f"next_observations has shape {next_observations.shape}, observations {observations.shape}"
            )
        broken = _breaks(observations, next_observations) & ~terminals & ~timeouts
        if broken.any():
            found.append(
                f"next_observations does not continue in the next row at {broken.sum()} places, first after row "
                f"{broken.argmax()}: timeouts are set there"
            )
        keep, timeouts = np.ones(len(rewards), dtype=bool), timeouts | broken | last
    if not keep.any():
        raise ExchangeError("no transition is left: every episode has only one row and no next observation")
    if not keep.all():
        observations, actions, rewards = observations[keep], actions[keep], rewards[keep]
        next_observations, terminals, timeouts = next_observations[keep], terminals[keep], timeouts[keep]
    timeouts &= ~terminals
    return Experience(
        observations,
        actions,
        rewards,
        next_observations,
        terminals,
        timeouts,
        origin or Origin(),
        tuple(found),
        infos or {},
    )


def _breaks(observations: NDArray[np.float32], next_observations: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Rows whose next observation is not the observation of the next row, (rows,); never the last one."""
    with np.errstate(over="ignore"):
        span = np.ptp(observations, axis=0)
        differs = (np.abs(next_observations[:-1] - observations[1:]) > SAME * span).any(axis=1)
    return np.append(differs, False)
