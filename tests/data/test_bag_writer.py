"""A bag as it grows: what is left of it when the recorder is killed, or the disk is full."""

import os
import resource
import signal

import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed (pip install 'turn_rl_ros[bags]')")
from rosbags.rosbag2 import Reader

from tests.data import bag_data
from turn_rl_ros.data.bags.decode import NUMBERS, STORE
from turn_rl_ros.data.bags.errors import BagError
from turn_rl_ros.data.bags.reader import Bag
from turn_rl_ros.data.bags.writer import BagWriter

MS = 1_000_000


def raw(number):
    message = bag_data.numbers(0, [float(number)])[2]
    return bytes(STORE.serialize_cdr(message, NUMBERS))


def new(path):
    bag = BagWriter(path, {"policy_sha256": "ab" * 32})
    bag.add("/a", NUMBERS)
    return bag


def told(path):
    bag = Bag(path)
    return [(m.receive_ns, m.raw) for m in bag.messages()], bag.notes


def test_messages_come_back_in_the_order_of_their_time(tmp_path):
    bag = new(tmp_path / "bag")
    for stamp in (30, 10, 20):
        bag.write("/a", stamp * MS, raw(stamp))
    bag.close()
    bag.close()
    assert told(tmp_path / "bag") == ([(stamp * MS, raw(stamp)) for stamp in (10, 20, 30)], [])
    with Reader(tmp_path / "bag") as reader:
        assert reader.message_count == 3


def test_a_bag_that_is_there_is_not_written_over(tmp_path):
    new(tmp_path / "bag").close()
    with pytest.raises(BagError, match="exists already"):
        new(tmp_path / "bag")


def test_after_a_kill_everything_settled_at_the_last_flush_is_there(tmp_path, in_child):
    """A message every 10 ms until 990 ms: at the flush those until 890 ms were settled. What came later is lost."""

    def work():
        bag = new(tmp_path / "bag")
        for number in range(100):
            bag.write("/a", number * 10 * MS, raw(number))
        bag.flush()
        for number in range(100, 200):
            bag.write("/a", number * 10 * MS, raw(number))
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work) == -signal.SIGKILL
    messages, notes = told(tmp_path / "bag")
    assert messages == [(number * 10 * MS, raw(number)) for number in range(90)]
    assert "bag.mcap was not finished" in notes[-1]


def test_on_a_full_disk_it_says_so_and_what_was_flushed_can_be_read(tmp_path, in_child):
    """A limit on the size of files stands for the full disk: the write that passes it is refused half-way."""

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        bag = new(tmp_path / "bag")
        bag.write("/a", 0, raw(0))
        bag.write("/a", 1000 * MS, raw(1))
        bag.flush()
        for number in range(2, 500):
            bag.write("/a", 1000 * MS + number, raw(number))
        bag.write("/a", 2000 * MS, raw(500))
        with pytest.raises(BagError, match="File too large"):
            bag.flush()
        bag.close()

    assert in_child(work) == 0
    messages, notes = told(tmp_path / "bag")
    assert messages == [(0, raw(0))]
    assert "bag.mcap was not finished" in notes[-1]
