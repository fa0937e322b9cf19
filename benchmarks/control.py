"""The control loop under a metronome: who answers joint states at a fixed rate, and how long a command takes.

Shared by `bench_control` and `bench_delivery`. Everything runs in a ROS domain of its own on this machine; the nodes
are processes that `loop` starts, and the metronome plays the arm, the trainer and the recorder.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.bench_loop import Conductor, policy_blob, take_down
from turn_rl_ros.core.task import make_spec

HOME = [0.0, 0.41, 0.0, -1.85, 0.0, 2.26, 0.79]
NODES = {"executor": "turn_rl_ros.nodes.executor", "guard": "turn_rl_ros.nodes.guard"}
COMPOSED = """
import rclpy
from rclpy.signals import SignalHandlerOptions
from turn_rl_ros.nodes.executor import Executor
from turn_rl_ros.nodes.guard import GuardNode
from turn_rl_ros.nodes.spin import Stop, make_executor, spin
stop = Stop()
rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
spinner, nodes = make_executor(), [Executor(), GuardNode()]
for node in nodes:
    spinner.add_node(node)
spin(spinner, stop)
for node in nodes:
    node.close()
"""
ECHO = """
import rclpy
from array import array
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.spin import Stop, make_executor, spin
stop = Stop()
rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
node = rclpy.create_node("echo")
out = topics.publish_on(node, topics.VELOCITY_COMMANDS)
def answer(message):
    stamp = messages.stamp_ns(message.header.stamp)
    label = f"{messages.STAMP_LABEL}{stamp}"
    layout = MultiArrayLayout(dim=[MultiArrayDimension(label=label)])
    out.publish(Float64MultiArray(layout=layout, data=array("d", message.velocity)))
node.create_subscription(topics.JOINT_STATES.kind, topics.JOINT_STATES.name, answer, topics.STREAM)
spinner = make_executor()
spinner.add_node(node)
spin(spinner, stop)
"""
MODES = ("echo", "separate", "composed")


@dataclass
class Beat:
    """What a metronome run came to."""

    latencies_us: list[float] = field(default_factory=list)
    """Of the ticks that were answered, from publishing the joint state to the command's callback."""
    ticks: int = 0
    late: int = 0
    """Answered after the next state was due."""
    cpu_share: float = 0.0
    """CPU time of the nodes' processes as a share of one core."""

    @property
    def missed(self) -> int:
        """Ticks without an answer."""
        return self.ticks - len(self.latencies_us)

    def percentile(self, share: float) -> float:
        """Of the latencies, in us."""
        return float(np.percentile(self.latencies_us, share))

    def add(self, other: "Beat") -> None:
        """Put another run's ticks to this one's; CPU is the mean over ticks."""
        total = max(self.ticks + other.ticks, 1)
        self.cpu_share = (self.cpu_share * self.ticks + other.cpu_share * other.ticks) / total
        self.latencies_us += other.latencies_us
        self.ticks, self.late = total, self.late + other.late


class Metronome:
    """Publishes joint states on schedule and hears the commands."""

    def __init__(self, conductor: Conductor, spinner: Any, rate_hz: float) -> None:
        from sensor_msgs.msg import JointState

        from turn_rl_ros.nodes import topics

        self._spinner, self._period_s = spinner, 1.0 / rate_hz
        self._period_ns = round(1e9 / rate_hz)
        self._number = 0
        self._sent: dict[int, float] = {}
        self._answered: dict[int, float] = {}
        self.commands: list[Any] = []
        names = [f"panda_joint{i}" for i in range(1, 8)]
        self._message = JointState(name=names, position=HOME, velocity=[0.0] * 7)
        self._states = topics.publish_on(conductor.node, topics.JOINT_STATES)
        # A controller takes the newest command only; to count them all, none may be replaced before it is seen.
        name, kind, *_ = topics.VELOCITY_COMMANDS
        conductor.node.create_subscription(kind, name, self._on_command, topics.STREAM)

    def _on_command(self, message: Any) -> None:
        stamp = int(message.layout.dim[0].label.rpartition(":")[2])
        self._answered.setdefault(stamp, time.perf_counter())

    def tick(self) -> None:
        """Publish the next joint state now."""
        self._number += 1
        stamp = 10**9 + self._number * self._period_ns
        self._message.header.stamp.sec, self._message.header.stamp.nanosec = divmod(stamp, 10**9)
        self._message.position[0] = 1e-6 * (self._number % 2)  # an arm that never stirs is taken for a frozen one
        self._sent[stamp] = time.perf_counter()
        self._states.publish(self._message)

    def run(self, seconds: float, pids: list[int], between: Callable[[float], None] = lambda _: None) -> Beat:
        """Beat for so long; `between` is called once a tick with the seconds so far."""
        self._sent.clear()
        self._answered.clear()
        cpu, started = sum(map(cpu_s, pids)), time.perf_counter()
        ticks = round(seconds / self._period_s)
        for number in range(ticks):
            deadline = started + number * self._period_s
            while (left := deadline - time.perf_counter()) > 0:
                self._spinner.spin_once(timeout_sec=left)
            self.tick()
            between(time.perf_counter() - started)
        end = time.perf_counter() + 0.3
        cpu, wall = sum(map(cpu_s, pids)) - cpu, time.perf_counter() - started
        while time.perf_counter() < end:
            self._spinner.spin_once(timeout_sec=0.05)
        took = [self._answered[s] - self._sent[s] for s in self._sent if s in self._answered]
        late = sum(t > self._period_s for t in took)
        return Beat([1e6 * t for t in took], ticks, late, cpu / wall)


@contextmanager
def loop(mode: str, rate_hz: float, blob: bytes | None = None) -> Iterator[tuple[Metronome, Conductor, list[int]]]:
    """Start the nodes of a mode, bring them to where they answer, and end them; gives metronome, conductor and pids."""
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from turn_rl_ros.nodes.spin import make_executor, spin

    task = {"kind": "reach", "rate_hz": float(rate_hz)}
    with tempfile.TemporaryDirectory() as folder:
        ros_args = ["--ros-args", "--params-file", str(parameters(Path(folder), task)), "--log-level", "error"]
        codes = {"echo": [ECHO], "composed": [COMPOSED]}.get(mode) or [
            f"from {module} import main; raise SystemExit(main())" for module in NODES.values()
        ]
        children = [subprocess.Popen([sys.executable, "-c", code, *ros_args], cwd=folder) for code in codes]
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        conductor = Conductor()
        spinner = make_executor()
        spinner.add_node(conductor.node)
        metronome = Metronome(conductor, spinner, rate_hz)
        try:
            if mode == "echo":
                spin(spinner, lambda: metronome._states.get_subscription_count() > 0)
            else:
                conductor.deliver(blob or policy_blob(make_spec(task), 256))
                spin(spinner, lambda: conductor.taken and conductor.phase == "inactive")
                for name in NODES:
                    activate(conductor, spinner, metronome, name)
            metronome.run(1.0, [])  # warm
            yield metronome, conductor, [child.pid for child in children]
        finally:
            take_down(children, conductor, spinner)


def activate(conductor: Conductor, spinner: Any, metronome: Metronome, name: str) -> None:
    """Configure and activate a node, while it hears joint states."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    client = conductor.node.create_client(ChangeState, f"{name}/change_state")
    client.wait_for_service(10.0)

    def change(transition: int) -> bool:
        metronome.tick()
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        spinner.spin_until_future_complete(future, timeout_sec=10.0)
        return bool(future.done() and future.result().success)

    change(Transition.TRANSITION_CONFIGURE)
    deadline = time.monotonic() + 20
    while not change(Transition.TRANSITION_ACTIVATE):
        if time.monotonic() > deadline:
            raise SystemExit(f"the {name} does not activate")


def parameters(folder: Path, task: dict[str, Any]) -> Path:
    """Pure policy past its trial, no way home, one long window."""
    behaviour = {"policy_share": 1.0, "random_share": 0.0}
    executor = {"home_every": 0, "trial_episodes": 0, "run_dir": str(folder), "behaviour": behaviour}
    tree = {
        "/**": {"ros__parameters": {"task": task}},
        "executor": {"ros__parameters": executor},
        "guard": {"ros__parameters": {"window_s": 80000.0, "state_timeout_s": 10.0}},
    }
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_a_domain_of_its_own(command: list[str], **more: str) -> str:
    """Run this package's `command` in a fresh interpreter; gives the last line that it printed."""
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        **more,
    }
    run = partial(subprocess.run, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return run([sys.executable, "-m", *command]).stdout.splitlines()[-1]
