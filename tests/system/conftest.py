"""Real nodes as real processes, in a ROS domain of their own on this machine alone."""

import copy
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="rclpy is not installed (pip install 'turn_rl_ros[ros]')")

ROOT = Path(__file__).parents[2]
MODULES = {"arm": "sim.arm_node", "stand_in": "sim.stand_in"}
_domains = itertools.count(1)


class Graph:
    """The processes of one test. Output goes to one log file a node."""

    def __init__(self, tmp_path, domain):
        self.run_dir = tmp_path / "run"
        self.logs = tmp_path
        self.processes = {}
        self.python = [sys.executable]
        self.environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
        }

    def params(self, scenario, overrides):
        """A parameter file: the scenario's, with `overrides[node][parameter]` on top."""
        overrides = copy.deepcopy(overrides)
        tree = yaml.safe_load((ROOT / "config" / scenario).read_text())
        for node in ("guard", "executor", "collector", "trainer", "sync", "director"):
            overrides.setdefault(node, {}).setdefault("run_dir", str(self.run_dir))
        for node, values in overrides.items():
            key = next(k for k in tree if k == node or k.endswith(f"/{node}"))
            for name, value in values.items():
                block = tree[key]["ros__parameters"]
                *path, last = name.split(".")
                for part in path:
                    block = block.setdefault(part, {})
                block[last] = value
        path = self.logs / "params.yaml"
        path.write_text(yaml.safe_dump(tree))
        return path

    def start(self, node, params, *more):
        """Start one node with a parameter file; `more` goes to --ros-args."""
        module = MODULES.get(node, f"turn_rl_ros.nodes.{node}")
        code = f"from {module} import main; raise SystemExit(main())"
        command = [*self.python, "-c", code, "--ros-args", "--params-file", str(params), *more]
        log = (self.logs / f"{node}.log").open("a")
        self.processes[node] = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=self.environment, cwd=ROOT, start_new_session=True
        )
        return self.processes[node]

    def log(self, node):
        return (self.logs / f"{node}.log").read_text()

    def wait_for_line(self, node, words, seconds=60):
        """Until `words` stand in the node's log."""
        deadline = time.monotonic() + seconds
        while words not in self.log(node):
            assert time.monotonic() < deadline, f"{node} never said {words!r}; it said:\n{self.log(node)}"
            time.sleep(0.05)

    def stop(self, signal_number=signal.SIGINT, seconds=30):
        """Signal every process that still runs; exit codes by node."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal_number)
        return {name: process.wait(seconds) for name, process in self.processes.items()}


@pytest.fixture
def graph(tmp_path):
    graph = Graph(tmp_path, 101 + (os.getpid() * 7 + next(_domains)) % 100)
    yield graph
    for process in graph.processes.values():
        if process.poll() is None:
            process.kill()
            process.wait()
