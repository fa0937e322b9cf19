"""What a check says: how bad, where, why it hurts offline learning, and what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.data.dataset import Dataset

Rows = NDArray[np.bool_]

PLACES = 5
"""Stretches of rows that a finding names; the others are only counted."""


class Severity(IntEnum):
    """How much a finding matters."""

    NOTE = 0
    """Worth knowing; nothing to do."""
    WARNING = 1
    """Training works, but worse than it could."""
    ERROR = 2
    """These rows are wrong: leave them out or repair them before training."""


class NotApplicable(Exception):
    """A check has no meaning for this dataset; its text says why. Never leaves the package `quality`."""


@dataclass(frozen=True)
class Place:
    """A stretch of rows of one session that follow each other; all numbers count from 0 within the session."""

    session: str
    first_episode: int
    last_episode: int
    first_row: int
    last_row: int

    def __str__(self) -> str:
        """As `session-x.h5, episode 3, rows 60-79`."""
        return f"{self.session}, {_span('episode', self.first_episode, self.last_episode)}, " + _span(
            "row", self.first_row, self.last_row
        )


@dataclass(frozen=True)
class Marks:
    """The rows that a check took exception to, (n,) bool, and what it saw there in numbers."""

    rows: Rows
    seen: str = ""


@dataclass(frozen=True)
class Check:
    """One question to the data. `find` raises NotApplicable where the question has no meaning."""

    what: str
    severity: Severity
    why: str
    advice: str
    find: Callable[[Dataset], Marks]


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know before training on the data."""

    what: str
    severity: Severity
    seen: str
    """What was measured, such as the joint and its largest speed; may be empty."""
    rows: int
    share: float
    """Of all rows."""
    stretches: int
    places: tuple[Place, ...]
    """The first few of the stretches."""
    why: str
    advice: str
    spans: NDArray[np.int64] = field(repr=False, compare=False)
    """(stretches, 2) first row of the dataset and the row after the last, for a plot."""

    @property
    def where(self) -> str:
        """The first place, and how many more there are."""
        more = f" and {self.stretches - 1} more" if self.stretches > 1 else ""
        return f"{self.places[0]}{more}"


def run_check(check: Check, part: Dataset, whole: Dataset, rows: NDArray[np.int64]) -> Finding | None:
    """The finding, or None when all is well. Raises NotApplicable.

    `part`, which the check looks at, is the rows `rows` (indices, rising) of `whole`, in which places are told.
    """
    marks = check.find(part)
    if not marks.rows.any():
        return None
    marked = np.zeros(len(whole), dtype=bool)
    marked[rows[marks.rows]] = True
    return _finding(check, Marks(marked, marks.seen), whole)


def share(findings: Iterable[Finding], count: int) -> float:
    """Part of all `count` rows that one of the findings marks at least."""
    marked = np.zeros(count, dtype=bool)
    for one in findings:
        for start, stop in one.spans.tolist():
            marked[start:stop] = True
    return float(marked.mean())


def _finding(check: Check, marks: Marks, data: Dataset) -> Finding:
    starts, stops = stretches(marks.rows, data)
    places = tuple(_place(data, *bounds) for bounds in zip(starts[:PLACES].tolist(), stops.tolist(), strict=False))
    count = int(marks.rows.sum())
    return Finding(
        check.what,
        check.severity,
        marks.seen,
        count,
        count / len(data),
        len(starts),
        places,
        check.why,
        check.advice,
        np.stack([starts, stops], axis=1),
    )


def stretches(rows: Rows, data: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row of each run of marked rows within one session, and the row after its last, (runs,) each."""
    before = np.r_[False, rows[:-1]] & (np.diff(data.session, prepend=-1) == 0)
    after = np.r_[rows[1:], False] & (np.diff(data.session, append=-1) == 0)
    return np.flatnonzero(rows & ~before), np.flatnonzero(rows & ~after) + 1


def session_names(data: Dataset) -> list[str]:
    """File name of each session; rows that were never on disk are one session called `memory`."""
    return [info.path.name for info in data.sessions] or ["memory"]


def session_bounds(data: Dataset) -> list[tuple[int, int]]:
    """First row of each session and the row after its last, in the order of `session_names`."""
    edges = np.searchsorted(data.session, np.arange(len(session_names(data)) + 1)).tolist()
    return list(pairwise(edges))


def _place(data: Dataset, start: int, stop: int) -> Place:
    number = int(data.session[start])
    first = int(np.searchsorted(data.session, number))
    episode = data.episode[[start, stop - 1]] - data.episode[first]
    return Place(session_names(data)[number], int(episode[0]), int(episode[1]), start - first, stop - 1 - first)


def _span(name: str, first: int, last: int) -> str:
    return f"{name} {first}" if first == last else f"{name}s {first}-{last}"
