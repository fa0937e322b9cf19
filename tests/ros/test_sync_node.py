"""The node that carries sessions: at once after a seal, again and again while the store is away, and it says so."""

import time

import pytest

pytest.importorskip("fsspec", reason="fsspec is not installed (pip install 'turn_rl_ros[sync]')")

from rclpy.parameter import Parameter

from benchmarks import torture_worker
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.data.session import SessionWriter
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import OK, WARN
from turn_rl_ros.nodes.spin import make_executor, spin
from turn_rl_ros.nodes.sync import Sync


def record(directory):
    writer = SessionWriter(directory, torture_worker.torture_spec())
    return writer.seal("window used up", {"window_used_s": 1.0})


@pytest.fixture
def sync(ros, tmp_path):
    nodes = []

    def make(**values):
        values = {"task.kind": "gridworld", "run_dir": str(tmp_path / "run"), **values}
        nodes.append(Sync(parameter_overrides=[Parameter(name, value=value) for name, value in values.items()]))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()
        node.destroy_node()


def until(true, executor=None):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        if executor:
            spin(executor, true)
        time.sleep(0.05)


def test_it_says_that_the_store_is_away_and_delivers_when_it_is_back(sync, tmp_path):
    store = tmp_path / "mnt" / "store"
    store.parent.write_text("a file where the folder should be mounted")
    sealed = record(tmp_path / "run" / "sessions")
    node = sync(sessions_url=str(store))
    until(lambda: node.status()[0] == WARN)
    _, message, values = node.status()
    assert str(store) in message and values["next_try_s"] >= 1.0
    store.parent.unlink()
    until(lambda: node.status()[0] == OK and node.status()[2].get("moved") == 1)
    (stored,) = store.glob("*.h5")
    assert stored.read_bytes() == sealed.read_bytes()


def test_a_seal_is_not_waited_for_until_the_next_look(ros, sync, tmp_path):
    node = sync(sessions_url=str(tmp_path / "store"), period_s=3600.0)
    until(lambda: "both_sides" in node.status()[2])
    record(tmp_path / "run" / "sessions")
    teller = ros.create_node("teller")
    collector = topics.publish_on(teller, topics.COLLECTOR_STATE)
    executor = make_executor()
    executor.add_node(node)
    collector.publish(messages.state_to_message({"phase": "sealed"}))
    until(lambda: node.status()[2].get("moved") == 1, executor)
    executor.shutdown()
    teller.destroy_node()


def test_it_pulls_where_it_is_told_to(sync, tmp_path):
    record(tmp_path / "robot" / "sessions")
    sync(sessions_url=str(tmp_path / "store"), run_dir=str(tmp_path / "robot"))
    until(lambda: list((tmp_path / "store").glob("[!.]*.h5")))
    sync(sessions_url=str(tmp_path / "store"), direction="pull")
    until(lambda: list((tmp_path / "run" / "sessions").glob("*.h5")))


def test_without_a_store_it_refuses_to_start(sync):
    with pytest.raises(ConfigError, match="sessions_url is empty"):
        sync()
