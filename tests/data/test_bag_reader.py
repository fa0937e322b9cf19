"""However a bag is stored or broken: every message that is still whole, in order, once, and a word on what is not."""

import shutil
import sqlite3
import zlib

import pytest

pytest.importorskip("rosbags", reason="rosbags is not installed (pip install 'turn_rl_ros[bags]')")

import bag_data as made
from rosbags import rosbag2

from turn_rl_ros.data.bags.errors import BagError
from turn_rl_ros.data.bags.reader import Bag

COUNT = 3000
MESSAGES = [made.state(tick, (0.001 * tick, 0.0)) for tick in range(COUNT)]
SQLITE, MCAP = rosbag2.StoragePlugin.SQLITE3, rosbag2.StoragePlugin.MCAP


def storage_file(bag):
    (file,) = (path for path in bag.iterdir() if path.name != "metadata.yaml")
    return file


def heard(path):
    bag = Bag(path)
    found = list(bag.messages())
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    return [one.receive_ns for one in found], bag.notes


EVERY = [when for when, _, _ in MESSAGES]


@pytest.mark.parametrize("plugin", [SQLITE, MCAP])
@pytest.mark.parametrize("compress", [None, "FILE", "MESSAGE", "STORAGE"])
def test_every_message_is_read_whatever_compressed_it(tmp_path, plugin, compress):
    mode = compress and rosbag2.CompressionMode[compress]
    if (plugin, compress) in ((SQLITE, "STORAGE"), (MCAP, "FILE"), (MCAP, "MESSAGE")):
        pytest.skip("rosbags does not write this combination")
    bag = made.write(tmp_path / "bag", MESSAGES, plugin, mode)
    assert heard(bag) == (EVERY, [])


@pytest.mark.parametrize("plugin", [SQLITE, MCAP])
def test_one_file_alone_is_a_bag_and_a_folder_needs_no_metadata(tmp_path, plugin):
    bag = made.write(tmp_path / "bag", MESSAGES, plugin)
    assert heard(storage_file(bag)) == (EVERY, [])
    (bag / "metadata.yaml").unlink()
    assert heard(bag) == (EVERY, ["there is no metadata.yaml; the files are taken by name"])


def test_split_files_without_metadata_follow_each_other_by_number(tmp_path):
    folder = tmp_path / "split"
    folder.mkdir()
    for part in range(12):
        bag = made.write(tmp_path / f"part_{part}", MESSAGES[part * 250 : part * 250 + 250])
        shutil.move(storage_file(bag), folder / f"part_{part}.db3")
    assert heard(folder)[0] == EVERY, "part_10 comes after part_9"


def test_a_file_that_metadata_names_but_is_not_there_is_named(tmp_path):
    bag = made.write(tmp_path / "bag", MESSAGES)
    text = (bag / "metadata.yaml").read_text()
    (bag / "metadata.yaml").write_text(text.replace("- bag.db3", "- bag.db3\n  - lost_1.db3", 1))
    assert heard(bag) == (EVERY, ["lost_1.db3 is missing, metadata.yaml names it"])


@pytest.mark.parametrize("plugin", [SQLITE, MCAP])
@pytest.mark.parametrize("share", [0.99, 0.7, 0.4])
def test_of_a_file_that_was_cut_the_beginning_is_read(tmp_path, plugin, share):
    messages = [made.state(tick, (0.001 * tick, 0.0), names=("a" * 400, "b")) for tick in range(COUNT)]
    file = storage_file(made.write(tmp_path / "bag", messages, plugin))
    raw = file.read_bytes()
    file.write_bytes(raw[: int(share * len(raw))])
    found, notes = heard(file)
    assert found == EVERY[: len(found)]
    # MCAP comes in chunks of 1 MiB, and of a chunk that is cut nothing is read.
    assert len(found) > share * COUNT - (2**20 / 500 + 100 if plugin is MCAP else 600)
    assert "was not finished" in notes[0] and "as far as it goes" in notes[0]


def test_what_a_killed_recorder_left_in_the_log_beside_the_database_is_read(tmp_path):
    bag = made.write(tmp_path / "bag", MESSAGES)
    file = storage_file(bag)
    database = sqlite3.connect(file)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA wal_autocheckpoint=0")
    ((topic, raw),) = database.execute("SELECT topic_id, data FROM messages LIMIT 1")
    when = EVERY[-1] + 1
    database.execute("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", (topic, when, raw))
    database.commit()
    killed = tmp_path / "killed"
    shutil.copytree(bag, killed)  # while it is open: the log is not yet taken in
    database.close()
    assert (killed / "bag.db3-wal").stat().st_size > 0
    before = zlib.crc32((killed / "bag.db3").read_bytes())
    assert heard(killed)[0] == [*EVERY, when]
    assert zlib.crc32((killed / "bag.db3").read_bytes()) == before, "the recording itself is never written to"


@pytest.mark.parametrize("name", ["bag.db3", "bag.mcap", "bag.db3.zstd"])
def test_a_file_that_is_nothing_of_the_kind_is_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(BagError, match=rf"{name} cannot be read as a bag: [^\n]+$"):
        Bag(tmp_path)


def test_a_folder_without_a_storage_file_is_refused(tmp_path):
    with pytest.raises(BagError, match=r"has no .db3 or .mcap file"):
        Bag(tmp_path)
    with pytest.raises(BagError, match=r"does not exist"):
        Bag(tmp_path / "nowhere")
