"""A bag as one stream of raw messages, whatever it is stored as: split, compressed, without metadata, unfinished."""

import re
from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import yaml

from turn_rl_ros.data.bags.errors import BagError
from turn_rl_ros.data.bags.storage import SUFFIXES, ZSTD_MAGIC, open_storage, unpacked

METADATA = "metadata.yaml"


class Message(NamedTuple):
    """One recorded message."""

    topic: str
    number: int
    """On its topic, from 1."""
    receive_ns: int
    """When the recorder received it."""
    raw: bytes
    """CDR, as on the wire."""


class Bag:
    """A recording. `topics` gives the type of each topic by name; `notes` what is missing from it."""

    def __init__(self, path: Path) -> None:
        """Look into every file of the bag.

        Args:
            path: folder of a bag, or one storage file.

        Raises:
            BagError: there is no storage file, or one of them cannot be read at all.
        """
        self.path = path
        self.topics: dict[str, str] = {}
        self.notes: list[str] = []
        self._files = self._list()
        for file in self._files:
            with TemporaryDirectory() as scratch:
                storage, note = open_storage(file, Path(scratch))
                self.notes += [note] * bool(note)
                for one in storage.connections:
                    self._meet(one.topic, one.msgtype)
                storage.close()

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Message]:
        """Messages of some topics, or of all, in the order of recording; one file is open at a time.

        Where a file breaks off, its messages end, `notes` says so, and the next file follows.
        """
        numbers = {topic: count(1) for topic in self.topics}
        for file in self._files:
            with TemporaryDirectory() as scratch:
                storage, _ = open_storage(file, Path(scratch))
                wanted = [one for one in storage.connections if topics is None or one.topic in topics]
                try:
                    for connection, receive_ns, raw in storage.messages(wanted) if wanted else ():
                        topic = connection.topic
                        plain = raw if raw[:4] != ZSTD_MAGIC else unpacked(raw)
                        yield Message(topic, next(numbers[topic]), receive_ns, plain)
                except Exception as error:  # a damaged file makes the libraries raise almost anything
                    self._broke_off(file, error)
                finally:
                    storage.close()

    def _broke_off(self, file: Path, error: Exception) -> None:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        note = f"{file.name} breaks off ({why}): the rest is lost"
        self.notes += [note] * (note not in self.notes)

    def _meet(self, topic: str, kind: str) -> None:
        if self.topics.setdefault(topic, kind) != kind:
            raise BagError(f"{self.path}: topic {topic} has two types, {self.topics[topic]} and {kind}")

    def _list(self) -> list[Path]:
        if not self.path.exists():
            raise BagError(f"{self.path} does not exist")
        if not self.path.is_dir():
            if not SUFFIXES.search(self.path.name):
                raise BagError(f"{self.path} is no bag: give its folder, or a .db3 or .mcap file")
            return [self.path]
        there = {file.name: file for file in self.path.iterdir() if SUFFIXES.search(file.name)}
        names = [name for name in self._told() if name in there or self._miss(name)]
        files = [there[name] for name in names or sorted(there, key=_natural)]
        if not files:
            raise BagError(f"{self.path} has no .db3 or .mcap file")
        return files

    def _told(self) -> list[str]:
        """Names of the files in order, as metadata.yaml has them; empty when it is missing or damaged."""
        try:
            tree = yaml.safe_load((self.path / METADATA).read_text(encoding="utf-8"))
            return [Path(name).name for name in tree["rosbag2_bagfile_information"]["relative_file_paths"]]
        except FileNotFoundError:
            self.notes.append(f"there is no {METADATA}; the files are taken by name")
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            self.notes.append(f"{METADATA} is damaged; the files are taken by name")
        return []

    def _miss(self, name: str) -> bool:
        self.notes.append(f"{name} is missing, {METADATA} names it")
        return False


def _natural(name: str) -> list[str | int]:
    """Order of bag_2 before bag_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
