"""Import: recordings become sealed sessions in a new directory, or nothing at all."""

import hashlib
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros import __version__
from turn_rl_ros.core.assembler import Pair
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.bags.errors import BagError
from turn_rl_ros.data.bags.feed import Feed
from turn_rl_ros.data.bags.mapping import Mapping
from turn_rl_ros.data.bags.reader import Bag, Message
from turn_rl_ros.data.bags.rows import RowMaker
from turn_rl_ros.data.derive import NewSessions, new_sessions
from turn_rl_ros.data.exchange import source

SESSION_ROWS = 20_000
"""An episode that ends after so many rows ends the session too, so that memory does not grow with the recording."""
BATCH = 256
"""An episode that ends after so many pairs turns them into rows; twice as many would not fit the processor's cache."""

Progress = Callable[[Iterable[Message]], Iterable[Message]]


@dataclass(frozen=True)
class ImportedBag:
    """What came of a recording."""

    bag: Path
    sessions: tuple[Path, ...]
    rows: int
    episodes: int
    notes: tuple[str, ...]
    """What was found wrong, what was left out, and where first."""


def import_bags(
    paths: Sequence[Path], out: Path, spec: TaskSpec, mapping: Mapping, progress: Progress = iter
) -> list[ImportedBag]:
    """Read recordings into sealed sessions of the new directory `out`, at least one for each.

    Args:
        paths: bags, in the order in which they were recorded.
        out: a directory that does not exist yet; it appears whole or not at all.
        spec: the task; its joints, rate and rewards are those of the rows.
        mapping: what in the bags is the state, the command, the goal and an episode.
        progress: wraps the messages of each bag, to show how far it is.

    Raises:
        BagError: a bag cannot be read, or gives no transition; names topic, message and cause. SessionExists: `out`
            exists. SessionError: the disk refuses. DatasetError: the goals asked for do not fit the task.
    """
    with new_sessions(out) as sessions:
        made = [_import(path, sessions, spec, mapping, progress) for path in paths]
    return [replace(one, sessions=tuple(out / path.name for path in one.sessions)) for one in made]


def read_sessions(path: Path, spec: TaskSpec, mapping: Mapping) -> Iterator[NDArray]:
    """The rows that `import_bags` would make of one recording, a session at a time. Raises BagError."""
    bag = Bag(path)
    feed = Feed(spec, mapping, bag.topics)
    for _, rows in _sessions(bag.messages(feed.topics), feed, RowMaker(spec, mapping.goal)):
        yield rows


def _import(path: Path, sessions: NewSessions, spec: TaskSpec, mapping: Mapping, progress: Progress) -> ImportedBag:
    bag, rows_of = Bag(path), RowMaker(spec, mapping.goal)
    try:
        feed = Feed(spec, mapping, bag.topics)
    except BagError as error:
        raise BagError(f"{path}: {error}") from error
    origin = {"file": path.name, "sha256": source.sha256(path), "format": "rosbag2", "mapping": asdict(mapping)}
    files: list[Path] = []
    counts, told = [], Counter[str]()
    for began_ns, rows in _sessions(progress(bag.messages(feed.topics)), feed, rows_of):
        drops = Counter(feed.faults.drops()) + feed.dropped
        facts = {
            **_about(began_ns, f"{origin['sha256']} {len(files)}"),
            "window_used_s": len(rows) * spec.period_s,
            "clock_source": mapping.states.time,
            "drops": dict(drops - told),
            "derived_from": origin,
        }
        files.append(sessions.add(spec, rows, facts))
        counts.append((len(rows), int(np.count_nonzero(np.diff(rows["episode"]))) + 1))
        told = drops
    lost = (f"{count} commands without a row: {why}" for why, count in feed.dropped.items())
    notes = (*feed.faults.lines(), *lost, *bag.notes)
    if not files:
        why = notes[0] if notes else f"{', '.join(feed.topics)}: no message, or too few"
        raise BagError(f"{path}: no transition could be made of it. {why}")
    return ImportedBag(path, tuple(files), sum(n for n, _ in counts), sum(n for _, n in counts), notes)


def _sessions(messages: Iterable[Message], feed: Feed, rows_of: RowMaker) -> Iterator[tuple[int, NDArray]]:
    """When a session's first message was recorded, in ns, and its rows; each session ends with an episode."""
    pairs: list[Pair] = []
    blocks: list[NDArray] = []
    began_ns = filled = 0
    for message in messages:
        began_ns = began_ns or message.receive_ns
        for pair in feed.take(message):
            if len(pairs) >= BATCH and pair.decision.episode != pairs[-1].decision.episode:
                blocks.append(rows_of(pairs))
                filled, pairs = filled + len(pairs), []
                if filled >= SESSION_ROWS:
                    yield began_ns, np.concatenate(blocks)
                    blocks, filled, began_ns = [], 0, message.receive_ns
            pairs.append(pair)
    rows = np.concatenate([*blocks, rows_of(pairs + feed.finish())])
    if len(rows):
        yield began_ns, rows


def _about(began_ns: int, identity: str) -> dict[str, Any]:
    """What every session file says. The same bag gives the same names."""
    return {
        "stop_reason": "imported",
        "host": platform.node(),
        "session_id": hashlib.sha256(identity.encode()).hexdigest()[:8],
        "software_version": __version__,
        "created_utc": datetime.fromtimestamp(began_ns / 1e9, timezone.utc).isoformat(timespec="microseconds"),
    }
