"""Sessions through a store: whole, once, or named and left alone."""

import asyncio
import threading

import pytest

pytest.importorskip("fsspec", reason="fsspec is not installed (pip install 'turn_rl_ros[sync]')")
import ssh_store

from turn_rl_ros.data import sync
from turn_rl_ros.data.dataset import load_dataset
from turn_rl_ros.data.errors import SyncError
from turn_rl_ros.data.hashes import sha256_file
from turn_rl_ros.data.manifest import read_manifest, verify
from turn_rl_ros.data.remote import Remote


@pytest.fixture
def robot(tmp_path, record):
    directory = tmp_path / "robot"
    record(range(5), directory, session_id="one")
    record(range(9), directory, session_id="two")
    return directory


@pytest.fixture(params=["folder", "memory", "ssh"])
def url(request, tmp_path):
    """A store of each nature: a folder, one in which a move is a copy as in S3, and an SSH server."""
    if request.param != "ssh":
        import fsspec

        fsspec.filesystem("memory").store.clear()
        return str(tmp_path / "store") if request.param == "folder" else "memory://store"
    return request.getfixturevalue("ssh_url")


@pytest.fixture
def cuts():
    """What the SSH server does at each read and write from now on, the next one last; True breaks the connection."""
    return []


@pytest.fixture
def ssh_url(tmp_path, monkeypatch, cuts):
    key = ssh_store.new_key(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "served").mkdir()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(
        ssh_store.serve("127.0.0.1", 0, tmp_path / "served", key, cuts), loop
    ).result(20)
    yield f"ssh://me@127.0.0.1:{server.sockets[0].getsockname()[1]}/store"
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def test_what_is_pulled_is_what_was_pushed_and_nothing_travels_twice(robot, url, tmp_path):
    names = sorted(read_manifest(robot))
    pushed = sync.push(robot, url)
    assert (pushed.moved, pushed.known, pushed.refused) == (names, [], [])
    pulled = sync.pull(url, tmp_path / "station")
    assert (pulled.moved, pulled.known, pulled.refused) == (names, [], [])
    for name in names:
        assert (tmp_path / "station" / name).read_bytes() == (robot / name).read_bytes()
    assert verify(tmp_path / "station") == []
    assert len(load_dataset(tmp_path / "station")) == 14
    for again in (sync.push(robot, url), sync.pull(url, tmp_path / "station")):
        assert (again.moved, again.known, again.refused) == ([], names, [])


def test_two_robots_feed_one_directory(robot, url, tmp_path, record):
    record(range(3), tmp_path / "other", session_id="three")
    sync.push(robot, url)
    sync.push(tmp_path / "other", url)
    assert len(sync.pull(url, tmp_path / "station").moved) == 3
    assert len(load_dataset(tmp_path / "station")) == 17


def test_a_session_that_changed_after_it_was_sealed_does_not_leave_the_robot(robot, tmp_path):
    victim = robot / min(read_manifest(robot))
    sealed = sha256_file(victim)
    with victim.open("ab") as file:
        file.write(b"!")
    (robot / "session-stray.h5").write_bytes(b"stray")
    outcome = sync.push(robot, str(tmp_path / "store"))
    assert len(outcome.moved) == 1
    assert outcome.refused == [
        "session-stray.h5: foreign, not on the manifest",
        f"{victim.name}: changed, its sha256 is {sha256_file(victim)} instead of {sealed}",
    ]


def test_the_same_name_with_other_content_is_refused_with_both_hashes(tmp_path, record):
    from datetime import datetime, timezone

    began = datetime(2026, 1, 1, tzinfo=timezone.utc)
    one = record(range(5), tmp_path / "one", session_id="same", created_utc=began)
    two = record(range(6), tmp_path / "two", session_id="same", created_utc=began)
    assert one.name == two.name
    store = str(tmp_path / "store")
    sync.push(tmp_path / "one", store)
    before = sorted((tmp_path / "store").iterdir())
    (line,) = sync.push(tmp_path / "two", store).refused
    assert sha256_file(one) in line and sha256_file(two) in line
    assert sorted((tmp_path / "store").iterdir()) == before
    (line,) = sync.pull(store, tmp_path / "two").refused
    assert sha256_file(one) in line and sha256_file(two) in line
    assert verify(tmp_path / "two") == []


def test_what_is_damaged_in_the_store_is_left_there_and_the_rest_arrives(robot, tmp_path):
    sync.push(robot, str(tmp_path / "store"))
    victim, whole = sorted((tmp_path / "store").glob("*.h5"))
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    (tmp_path / "store" / "readme.txt").write_text("hello")
    outcome = sync.pull(str(tmp_path / "store"), tmp_path / "station")
    assert [whole.name.startswith(name.removesuffix(".h5")) for name in outcome.moved] == [True]
    assert [line.split(" ")[0] for line in outcome.refused] == ["readme.txt:", f"{victim.name[:-68]}.h5:"]
    assert victim.exists()
    assert sorted(p.name for p in (tmp_path / "station").iterdir() if p.suffix != ".lock") == [
        "manifest.json",
        *outcome.moved,
    ]


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_kill_at_any_file_operation_leaves_nothing_half_and_the_next_run_ends_it(
    direction, robot, tmp_path, in_child, kill_at
):
    """SIGKILL before the 1st, 2nd, ... open, rename, link or unlink, until a run comes through."""
    store, station = tmp_path / "store", tmp_path / "station"
    if direction == "pull":
        sync.push(robot, str(store))
    run = (lambda: sync.push(robot, str(store))) if direction == "push" else (lambda: sync.pull(str(store), station))
    good = {sha256_file(path) for path in robot.glob("*.h5")}

    def work(n):
        kill_at(n)
        run()

    for n in range(1, 400):
        code = in_child(lambda n=n: work(n))
        visible = [*Remote(str(store)).listing().sessions.values()]
        assert all(set(there) <= good for there in visible)
        for path in store.glob("[!.]*.h5"):
            assert sha256_file(path) in path.name
        for path in station.glob("[!.]*.h5"):
            assert sha256_file(path) in good
        if code == 0:
            break
        assert code == -9
    assert n > 10
    sync.push(robot, str(store))
    sync.pull(str(store), station)
    assert verify(station) == [] and len(load_dataset(station)) == 14
    assert not list(store.glob(".*.partial")) and not list(station.glob(".*.pulling"))


@pytest.mark.parametrize("at", [1, 2])
def test_a_link_cut_in_mid_copy_leaves_nothing_that_a_reader_takes(at, robot, ssh_url, tmp_path, cuts):
    """At the first write; at the read that follows it, when the whole file is there but nobody has checked it."""
    cuts[:] = [True] + [False] * (at - 1)
    with pytest.raises(SyncError, match=r"could not be given session-.*; run it again"):
        sync.push(robot, ssh_url)
    left = [path.stat().st_size for path in (tmp_path / "served" / "store").iterdir()]
    whole = (robot / min(read_manifest(robot))).stat().st_size
    assert left == [whole // 2 if at == 1 else whole] and Remote(ssh_url).listing().sessions == {}
    assert sync.pull(ssh_url, tmp_path / "station").moved == []
    assert sync.push(robot, ssh_url).moved == sorted(read_manifest(robot))
    cuts[:] = [True]
    with pytest.raises(SyncError, match=r"could not be asked for session-"):
        sync.pull(ssh_url, tmp_path / "station")
    assert not list((tmp_path / "station").glob("*.h5"))
    assert len(sync.pull(ssh_url, tmp_path / "station").moved) == 2
    assert verify(tmp_path / "station") == []
    assert len(list((tmp_path / "served" / "store").iterdir())) == 2


def test_an_unknown_host_key_is_refused(robot, ssh_url, tmp_path):
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text("")
    with pytest.raises(SyncError, match=r"the store ssh://me@127.0.0.1:\d+/store could not be opened: .*[Hh]ost key"):
        sync.push(robot, ssh_url)


def test_a_password_is_not_shown(robot):
    with pytest.raises(SyncError) as error:
        sync.push(robot, "ssh://me:hunter2@127.0.0.1:1/store")
    assert "ssh://me:***@127.0.0.1:1/store" in str(error.value) and "hunter2" not in str(error.value)


def test_one_at_a_time_in_a_directory(robot, tmp_path, in_child):
    lock = sync._lock(robot)
    with pytest.raises(SyncError, match="another push or pull works in"):
        sync.push(robot, str(tmp_path / "store"))
    lock.release()
    assert len(sync.push(robot, str(tmp_path / "store")).moved) == 2


def test_it_waits_longer_and_longer_while_the_store_is_away():
    answers = [SyncError("away")] * 8 + [sync.Outcome()] + [SyncError("away")]
    waited = []

    def work():
        answer = answers[len(waited)]
        if isinstance(answer, SyncError):
            raise answer
        return answer

    sync.keep_going(work, lambda came, wait_s: waited.append(wait_s), lambda _: len(waited) == 10, 5.0)
    assert waited == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 5.0, 1.0]


def test_the_command_says_what_it_did_and_fails_when_it_refused(robot, tmp_path):
    from typer.testing import CliRunner

    from turn_rl_ros.cli import app

    store, run = str(tmp_path / "store"), CliRunner().invoke
    done = run(app, ["data", "push", str(robot), store])
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "2 sessions sent, 0 were there, 0 left alone")
    (robot / "session-stray.h5").write_bytes(b"stray")
    done = run(app, ["data", "push", str(robot), store])
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (1, "0 sessions sent, 2 were there, 1 left alone")
    done = run(app, ["data", "pull", store, str(tmp_path / "station")])
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "2 sessions fetched, 0 were there, 0 left alone")
