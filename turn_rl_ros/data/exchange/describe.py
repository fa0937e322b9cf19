"""A task spec for foreign data: what the user says, else what the file says, else what its values show."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task.recorded import KIND, RecordedConfig, recorded_spec
from turn_rl_ros.data.exchange.checks import MAX_ACTIONS, ExchangeError
from turn_rl_ros.data.exchange.experience import Experience

RATE_HZ = 20.0
"""Control rate where nobody says one. It only turns rows into robot-minutes."""
RATES = (0.1, 1000.0)


@dataclass(frozen=True)
class Said:
    """What the user says about foreign data; None or empty where it is left to the file."""

    robot: str = ""
    rate_hz: float | None = None
    action_low: float | None = None
    """Smallest value of every element of an action."""
    action_high: float | None = None


def describe(data: Experience, said: Said) -> tuple[TaskSpec, list[str]]:
    """The spec of a recorded task for these rows, and what had to be assumed. Raises ExchangeError, ConfigError."""
    notes, origin = [], data.origin
    rate = origin.rate_hz if said.rate_hz is None else said.rate_hz
    if rate is None:
        notes.append(f"the control rate is not known: {RATE_HZ:g} Hz is assumed, --rate tells another")
        rate = RATE_HZ
    if not RATES[0] <= rate <= RATES[1]:
        raise ExchangeError(f"a control rate of {rate:g} Hz cannot be right; --rate takes {RATES[0]:g} to {RATES[1]:g}")
    seen = data.observations.min(axis=0), data.observations.max(axis=0)
    low, high = _apart(
        np.minimum(seen[0], data.next_observations.min(axis=0)), np.maximum(seen[1], data.next_observations.max(axis=0))
    )
    size = data.observations.shape[1]
    values: dict[str, Any] = {
        "robot": said.robot or origin.robot or "unknown",
        "rate_hz": float(rate),
        "episode_steps": int(np.diff(data.stops, prepend=0).max()),
        "observation_names": _named(origin.observation_names, "observation", size),
        "observation_units": _units(origin.observation_units, size),
        "observation_low": low,
        "observation_high": high,
    }
    if data.discrete:
        count = max(int(data.actions.max()) + 1, min(len(origin.action_names), MAX_ACTIONS), 2)
        values |= {"discrete": True, "action_names": _named(origin.action_names, "action", count)}
    else:
        size = data.actions.shape[1]
        values |= {
            "action_names": _named(origin.action_names, "action", size),
            "action_units": _units(origin.action_units, size),
        }
        values["action_low"], values["action_high"], how = _action_bounds(data, said)
        notes += how
    return recorded_spec(RecordedConfig(**values)), notes


def require_fit(spec: TaskSpec, data: Experience, where: str) -> None:
    """Raise ExchangeError unless the rows could have been recorded under `spec`, that of the sessions in `where`."""
    action = (data.actions.max(initial=0) + 1 if data.discrete else data.actions.shape[1]) if len(data) else 0
    same_kind = spec.task == KIND and spec.discrete == data.discrete
    fits = spec.action.size >= action if data.discrete else spec.action.size == action
    if not same_kind or not fits or spec.observation.size != data.observations.shape[1]:
        raise ExchangeError(
            f"{where} holds sessions of the task {spec.task} ({spec.observation.size} observations, {spec.action.size} "
            f"actions); these rows have {data.observations.shape[1]} and {action}: choose another directory"
        )
    if isinstance(spec.action, Box):
        _require_inside(data.actions, np.array(spec.action.low), np.array(spec.action.high), f"the sessions in {where}")


def _action_bounds(data: Experience, said: Said) -> tuple[tuple[float, ...], tuple[float, ...], list[str]]:
    """Smallest and largest value of each element of an action, and how they were found."""
    seen = data.actions.min(axis=0).astype(float), data.actions.max(axis=0).astype(float)
    size = len(seen[0])
    if said.action_low is not None or said.action_high is not None:
        one_low, one_high = said.action_low, said.action_high
        if one_low is None or one_high is None or not one_low < one_high or not np.isfinite(one_high - one_low):
            raise ExchangeError("--action-low and --action-high go together, finite, the low one below the high one")
        low, high = np.full(size, one_low), np.full(size, one_high)
        _require_inside(data.actions, low, high, "--action-low and --action-high")
        return *_apart(low, high), []
    told = data.origin.action_low, data.origin.action_high
    if all(len(bound) == size and np.isfinite(bound).all() for bound in told):
        low, high = np.minimum(told[0], seen[0]), np.maximum(told[1], seen[1])
        wider = (low < told[0]).any() or (high > told[1]).any()
        note = ["some actions lie outside the bounds that the file gives; the bounds are widened to hold them"]
        return *_apart(low, high), note if wider else []
    if (seen[0] >= -1).all() and (seen[1] <= 1).all():
        note = ["action bounds are not given: -1 to 1 is assumed, --action-low and --action-high tell others"]
        return (-1.0,) * size, (1.0,) * size, note
    note = ["action bounds are not given: the smallest and largest action seen are taken"]
    return *_apart(*seen), note


def _require_inside(actions: NDArray, low: NDArray, high: NDArray, whose: str) -> None:
    outside = ((actions < low - 1e-6 * (high - low)) | (actions > high + 1e-6 * (high - low))).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise ExchangeError(f"actions at row {row} are outside the bounds of {whose} ({outside.sum()} such rows)")


def _apart(low: NDArray, high: NDArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bounds as numbers; where a value never changes, one less and one more."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    room = np.where(low < high, 0.0, np.maximum(1.0, 1e-3 * np.abs(low)))
    return tuple((low - room).tolist()), tuple((high + room).tolist())


def _named(names: tuple[str, ...], what: str, size: int) -> tuple[str, ...]:
    return names if len(names) == size == len(set(names)) else tuple(f"{what}_{n}" for n in range(size))


def _units(units: tuple[str, ...], size: int) -> tuple[str, ...]:
    return units if len(units) == size else ("unknown",) * size
