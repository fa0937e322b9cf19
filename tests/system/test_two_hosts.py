"""A robot's computer and a workstation, each with a network, host name and shared memory of its own; the link is cut.

The robot has arm, guard, executor, collector and sync; the workstation has trainer, director, sync and an SSH server,
into whose folder the robot's sessions go. Nothing else connects them.
"""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

pytest.importorskip("sshfs", reason="sshfs is not installed (pip install 'turn_rl_ros[sync]')")

ROOT = Path(__file__).parents[2]
ROBOT, STATION = "10.77.0.1", "10.77.0.2"
ON_ROBOT, ON_STATION = ("arm", "guard", "executor", "collector", "sync"), ("trainer", "sync", "director")
WINDOW_S = 5.0
ALONE = ["unshare", "--net", "--mount", "--uts", "--ipc"]


class Link:
    """Two computers on this machine, and the cable between them."""

    def __init__(self, number):
        self.ends = [f"turnrl{number}a", f"turnrl{number}b"]
        self.hosts = [subprocess.Popen([*ALONE, "sleep", "600"]) for _ in self.ends]
        time.sleep(0.3)
        sh("ip", "link", "add", self.ends[0], "type", "veth", "peer", "name", self.ends[1])
        for host, end, name, address in zip(self.hosts, self.ends, ("robot", "station"), (ROBOT, STATION), strict=True):
            sh("ip", "link", "set", end, "netns", str(host.pid))
            steps = f"mount -t tmpfs none /dev/shm && hostname {name} && ip address add {address}/24 dev {end} && "
            sh(*self.on(host), "sh", "-c", steps + f"ip link set lo up && ip link set {end} multicast on up")

    def on(self, host):
        """What to put before a command so that it runs on a host."""
        return ["nsenter", "--target", str(host.pid), "--net", "--mount", "--uts", "--ipc"]

    def set(self, state):
        sh(*self.on(self.hosts[0]), "ip", "link", "set", self.ends[0], state)

    def close(self):
        for host in self.hosts:
            host.kill()
            host.wait()


def sh(*command):
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def hosts(graph, tmp_path):
    """The robot's graph, the workstation's, and their link."""
    if shutil.which("ip") is None or subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("no network namespaces here (they need root and iproute2)")
    link = Link(graph.environment["ROS_DOMAIN_ID"])
    station = type(graph)(tmp_path / "station", int(graph.environment["ROS_DOMAIN_ID"]))
    station.logs.mkdir()
    for one, host in zip((graph, station), link.hosts, strict=True):
        one.python = [*link.on(host), sys.executable]
        one.environment |= {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "HOME": str(tmp_path / "home")}
    yield graph, station, link
    for process in station.processes.values():
        if process.poll() is None:
            process.kill()
            process.wait()
    link.close()


def serve_ssh(station, folder, home):
    """The workstation's SSH server, whose host key the robot knows; gives the store's URL."""
    folder.mkdir(parents=True)
    command = [
        *station.python,
        str(ROOT / "tests" / "data" / "ssh_store.py"),
        STATION,
        "2222",
        str(folder),
        str(home.parent),
    ]
    station.processes["sshd"] = server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "listening\n"
    return f"ssh://robot@{STATION}:2222/"


def wait_for_trainer(robot):
    """Until the robot's computer sees the workstation's trainer."""
    code = (
        "import rclpy; from std_srvs.srv import Trigger; rclpy.init(); "
        "node = rclpy.create_node('probe'); client = node.create_client(Trigger, 'trainer/train'); "
        "assert client.wait_for_service(60)"
    )
    subprocess.run([*robot.python, "-c", code], env=robot.environment, check=True)


def sealed(run_dir):
    return {path.name: path.read_bytes() for path in (run_dir / "sessions").glob("*.h5")}


def until(true, seconds, what):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.1)


def test_a_link_cut_in_mid_window_costs_nothing_but_time(hosts, tmp_path):
    robot, station, link = hosts
    store = tmp_path / "station" / "store"
    url = serve_ssh(station, store, tmp_path / "home")
    small = {"director": {"turns": 2, "window_s": WINDOW_S, "evaluate_goals": 2}, "trainer": {"steps": 50}}
    far = robot.params("gridworld.yaml", {"arm": {"real_time_factor": 1.0}, "sync": {"sessions_url": url}})
    pulls = {"sync": {"sessions_url": str(store), "direction": "pull", "period_s": 0.5}}
    near = station.params("gridworld.yaml", {**small, **pulls})
    for node in ON_ROBOT:
        robot.start(node, far)
    for node in ON_STATION:
        if node == "director":  # Fast DDS knows only the links that are up when a process starts
            wait_for_trainer(robot)
        station.start(node, near, "-p", "use_sim_time:=false")

    robot.wait_for_line("guard", "window open")
    time.sleep(0.3 * WINDOW_S)
    assert "window closed" not in robot.log("guard")
    link.set("down")
    robot.wait_for_line("collector", "sealed")
    robot.wait_for_line("sync", "could not be")
    station.wait_for_line("director", "out of reach")

    (first,) = sealed(robot.run_dir)
    assert not sealed(station.run_dir) and not list(store.glob("[!.]*"))
    with h5py.File(robot.run_dir / "sessions" / first) as file:
        assert file.attrs["host"] == "robot"
        assert file.attrs["stop_reason"] == "window used up"
        assert file.attrs["window_used_s"] == pytest.approx(WINDOW_S, abs=0.051)
        assert json.loads(file.attrs["drops"]) == {}
        assert WINDOW_S * 20 - 4 <= len(file["rewards"]) <= WINDOW_S * 20

    link.set("up")
    assert station.processes["director"].wait(200) == 0, station.log("director")
    until(lambda: "turn 2 accepted" in robot.log("executor"), 5, "the last policy")

    summary = json.loads((station.run_dir / "summary.json").read_text())
    assert [round(turn["robot_seconds"]) for turn in summary["turns"]] == [WINDOW_S, WINDOW_S]
    sessions = sealed(robot.run_dir)
    assert len(sessions) == 2
    assert sealed(station.run_dir) == sessions
    hashes = [hashlib.sha256(content).hexdigest() for content in sessions.values()]
    assert sorted(path.name.split(".")[1] for path in store.iterdir()) == sorted(hashes)
    for name in sessions:
        assert robot.log("sync").count(f"push: {name}") == station.log("sync").count(f"pull: {name}") == 1

    policies = {turn: (station.run_dir / "policies").glob(f"turn-{turn:03d}-*.safetensors") for turn in (1, 2)}
    sha256 = {turn: hashlib.sha256(next(found).read_bytes()).hexdigest() for turn, found in policies.items()}
    events = [json.loads(line) for line in (robot.run_dir / "deployed" / "history.jsonl").read_text().splitlines()]
    assert [event["sha256"] for event in events if event["event"] == "taken"] == [sha256[1], sha256[2]]
    with h5py.File(robot.run_dir / "sessions" / max(sessions)) as file:
        assert file.attrs["policy_sha256"] == sha256[1]
    robot.stop()
    station.stop(signal.SIGINT)
