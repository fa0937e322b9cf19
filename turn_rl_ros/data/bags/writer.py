"""A bag as it grows: an MCAP file that is readable up to its last flush, whatever ends the recorder."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer

from turn_rl_ros.data.bags.decode import STORE
from turn_rl_ros.data.bags.errors import BagError

SETTLED_NS = 100_000_000
"""Messages are sorted by their time within this; of what comes later still, readers with an index restore the order."""
_EVER_NS = 2**63 - 1
_NEVER = QosTime(9223372036, 854775807)


class BagWriter:
    """A new folder with one MCAP file of raw messages; `metadata.yaml` and the index come with `close`."""

    def __init__(self, path: Path, custom: Mapping[str, str]) -> None:
        """Make the bag.

        Args:
            path: its folder, which must not exist.
            custom: facts for the `custom_data` of its metadata.

        Raises:
            BagError: it exists, or the disk refuses.
        """
        self.path, self.messages = path, 0
        self._connections: dict[str, Any] = {}
        self._waiting: list[tuple[int, int, str, bytes]] = []
        try:
            self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
            for key, value in custom.items():
                self._writer.set_custom_data(key, value)
        except Exception as error:
            raise self._refused(error) from error

    def add(self, topic: str, kind: str, latched: bool = False) -> None:
        """Know a topic of a ROS message type such as std_msgs/msg/String. Raises BagError where nobody knows it."""
        durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
        qos = Qos(
            QosHistory.KEEP_LAST, 1 if latched else 2000, QosReliability.RELIABLE, durability,
            _NEVER, _NEVER, QosLiveliness.AUTOMATIC, _NEVER, False,
        )  # fmt: skip
        try:
            connection = self._writer.add_connection(topic, kind, typestore=STORE, offered_qos_profiles=[qos])
        except Exception as error:
            raise self._refused(error) from error
        self._connections[topic] = connection

    def write(self, topic: str, stamp_ns: int, raw: bytes) -> None:
        """Take a message, CDR as on the wire, and when it came; `flush` writes it."""
        self.messages += 1
        self._waiting.append((stamp_ns, self.messages, topic, raw))

    def flush(self) -> None:
        """Write whatever is settled as a whole chunk of the file.

        Raises BagError when the disk refuses; then the bag is closed, and readable up to the flush before.
        """
        newest_ns = max(self._waiting)[0] if self._waiting else 0
        self._attempt(lambda: self._write_out(newest_ns - SETTLED_NS))

    def close(self) -> None:
        """Write what is left, index and metadata; a second call changes nothing. Raises BagError as `flush` does."""
        if self._writer.storage is not None:
            self._attempt(lambda: self._write_out(_EVER_NS))
            self._attempt(self._writer.close)

    def _write_out(self, until_ns: int) -> None:
        self._waiting.sort()
        count = bisect_right(self._waiting, until_ns, key=itemgetter(0))
        for stamp_ns, _, topic, raw in self._waiting[:count]:
            self._writer.write(self._connections[topic], stamp_ns, raw)
        del self._waiting[:count]
        storage: Any = self._writer.storage
        if storage.chunk.msgs:
            storage.close_chunk()
            storage.bio.flush()

    def _attempt(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except OSError as error:
            with suppress(OSError):  # the disk that refused this refuses the rest of it as well
                self._writer.abort()
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> BagError:
        why = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        return BagError(f"the bag {self.path} cannot be written: {why}")
