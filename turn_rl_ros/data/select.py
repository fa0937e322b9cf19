"""Parts of a dataset: by session, by episode, by what happened, or split for training and test."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.errors import DatasetError, NothingChosen
from turn_rl_ros.data.sealed import SessionInfo

ORIGINS = {"sim_time": "simulation", "system": "robot"}
"""Clock of the stamps (`clock_source`) -> where a session was recorded."""


def origin(info: SessionInfo) -> str:
    """Where a session was recorded: "simulation" or "robot"; "" for imported data, of which nobody said."""
    return ORIGINS.get(info.facts["clock_source"], "")


@dataclass(frozen=True)
class Choice:
    """Which transitions to use; None says nothing. All that is said must hold."""

    turns: range | None = None
    """Turns of the sessions."""
    policy: str | int | None = None
    """What acted: the turn that trained it, or how its sha256 begins."""
    since: datetime | None = None
    """Sessions that began at this time or later; UTC where no zone is given."""
    until: datetime | None = None
    """Sessions that began before this time."""
    origin: str | None = None
    """`simulation` or `robot`."""
    success: bool | None = None
    """Whole episodes that ended within the task's success region, or that did not."""

    def wants(self, info: SessionInfo) -> bool:
        """Whether a session's facts fit; `success` is left to `choose`. Raises DatasetError for an unreadable date."""
        facts = info.facts
        return (
            (self.turns is None or facts["turn"] in self.turns)
            and (self.origin is None or origin(info) == self.origin)
            and (
                self.policy is None
                or facts["policy_turn"] == self.policy
                or (isinstance(self.policy, str) and facts["policy_sha256"].startswith(self.policy.lower()))
            )
            and (self.since is None or _began(info) >= _utc(self.since))
            and (self.until is None or _began(info) < _utc(self.until))
        )

    def named(self) -> dict[str, Any]:
        """What is said, as plain JSON values."""
        return differing(self, Choice())


ALL = Choice()


def differing(ours: Any, nothing: Any) -> dict[str, Any]:
    """Fields in which two dataclasses of one kind differ, as plain JSON values of the first."""
    names = [field.name for field in fields(ours) if getattr(ours, field.name) != getattr(nothing, field.name)]
    return json.loads(json.dumps({name: getattr(ours, name) for name in names}, default=str))


def choose(data: Dataset, choice: Choice) -> Dataset:
    """The transitions that fit, as a dataset of the same sessions. Raises DatasetError when none does."""
    if replace(choice, success=None) != ALL:
        data = where_session(data, choice.wants)
    if choice.success is None:
        return data
    starts, stops = data.episode_bounds()
    last = stops - 1
    success = make_task(data.spec).success(data.next_joint_position[last], data.goal[last])
    return take(data, np.repeat(success == choice.success, stops - starts))


def take(data: Dataset, rows: NDArray) -> Dataset:
    """The rows that `rows` names ((n,) bool, or indices in rising order), as a dataset of the same sessions.

    Raises DatasetError when nothing is left.
    """
    columns = {name: getattr(data, name)[rows] for name in column_names(data)}
    if not len(columns["rewards"]):
        raise NothingChosen("no transition fits this choice")
    return replace(data, **columns)


def column_names(data: Dataset) -> list[str]:
    """Names of the fields with one entry a row."""
    return [field.name for field in fields(data) if isinstance(getattr(data, field.name), np.ndarray)]


def episodes(data: Dataset) -> list[Dataset]:
    """Every episode as a dataset of its own; slices of the same memory, so nothing is copied."""
    starts, stops = data.episode_bounds()
    names = column_names(data)
    return [
        replace(data, **{name: getattr(data, name)[start:stop] for name in names})
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
    ]


def where_session(data: Dataset, keep: Callable[[SessionInfo], bool]) -> Dataset:
    """Rows of the sessions for which `keep` says yes, such as `lambda s: s.facts["recovered"]`. Raises DatasetError."""
    if not data.sessions:
        raise DatasetError("these transitions come from no session that could be chosen")
    wanted = np.array([keep(info) for info in data.sessions], dtype=bool)
    return take(data, wanted[data.session])


def split(data: Dataset, test_share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Training and test part, by whole episodes, so that no test row has a neighbour in training.

    Which part an episode falls into depends on the seed, its session's id and its first stamp alone: other sessions and
    other choices move no episode, and relabelled copies of one episode stay together. Raises DatasetError when one of
    the parts is empty.
    """
    starts, stops = data.episode_bounds()
    ids = [str(info.facts["session_id"]) for info in data.sessions] or [""]
    names = zip(data.session[starts].tolist(), data.stamp_ns[starts].tolist(), strict=True)
    draws = np.array([_uniform(f"{seed}/{ids[session]}/{stamp_ns}") for session, stamp_ns in names])
    test = np.repeat(draws < test_share, stops - starts)
    return take(data, ~test), take(data, test)


def _uniform(name: str) -> float:
    """A number in [0, 1) that is a function of the name and looks random."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def _began(info: SessionInfo) -> datetime:
    try:
        return _utc(datetime.fromisoformat(info.facts["created_utc"]))
    except ValueError:
        raise DatasetError(
            f"{info.path.name} does not say when it began: created_utc is {info.facts['created_utc']!r}"
        ) from None


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
