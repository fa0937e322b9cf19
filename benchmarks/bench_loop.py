"""Whole-loop ticks per second: arm, executor and guard over DDS in lockstep, beside PyBullet in process.

Same arm, same 12 substeps a tick, same policy and so the same motion; rounds are interleaved, medians compared.
"""

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.progress import track

from benchmarks.table import Row, report, row
from turn_rl_ros.core.artifact import open_artifact, pack
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.store import seal
from turn_rl_ros.core.task import make_spec, make_task

TASK = {"kind": "reach"}
WIDTH = 128


def policy_blob(spec: TaskSpec, width: int = WIDTH) -> bytes:
    """A policy of two hidden layers with small random weights: gentle motion, the cost of a real one."""
    rng = np.random.default_rng(0)
    sizes = [spec.observation.size, width, width, spec.action.size]
    weights: dict[str, Any] = {"obs_mean": np.zeros(sizes[0]), "obs_std": np.ones(sizes[0])}
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weights[f"w{layer}"] = rng.normal(0, 0.3 / np.sqrt(inputs), (1, inputs, outputs))
        weights[f"b{layer}"] = np.zeros((1, 1, outputs))
    probes = rng.normal(size=(4, sizes[0])).astype(np.float32)
    return pack("tanh_mlp", weights, spec, probes, {"turn": 1, "algorithm": "benchmark"})


def in_process(spec: TaskSpec, blob: bytes, ticks: int) -> float:
    """Ticks per second of simulator, observation and policy in one loop, without ROS."""
    from sim.bullet import PyBulletArm

    task, policy, arm = make_task(spec), open_artifact(blob, spec).policy, PyBulletArm(spec)
    arm.reset()
    goal = task.sample_goal(np.random.default_rng(0))
    started = time.perf_counter()
    for _ in range(ticks):
        position, velocity, _ = arm.state()
        action = policy.act(task.observe(position, velocity, goal))
        arm.step(task.command(action, position), spec.command_interface, spec.period_s)
    rate = ticks / (time.perf_counter() - started)
    arm.close()
    return rate


def parameters(folder: Path, ticks: int) -> Path:
    """A parameter file for arm, executor and guard; pure policy, no homing, one long window."""
    tree = {
        "/**": {"ros__parameters": {"use_sim_time": True, "task": TASK}},
        "conductor": {"ros__parameters": {"use_sim_time": False}},
        "arm": {"ros__parameters": {"real_time_factor": 0.0, "use_sim_time": False}},
        "executor": {"ros__parameters": {"home_every": 0, "behaviour": {"policy_share": 1.0, "random_share": 0.0}}},
        "guard": {"ros__parameters": {"window_s": ticks / 20.0, "state_timeout_s": 10.0, "run_dir": str(folder)}},
    }
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


class Conductor:
    """A node that hands over the policy, opens the window and times it."""

    def __init__(self) -> None:
        import rclpy

        from turn_rl_ros.nodes import messages, topics

        self.node = rclpy.create_node("conductor")
        self.phase = ""
        self.taken = False
        self.closed_s = 0.0
        self.used_s = 0.0
        self._messages = messages
        topics.listen_to(self.node, topics.GUARD_STATE, self._on_guard)
        topics.listen_to(self.node, topics.EXECUTOR_STATE, self._on_executor)
        # A guard that nobody records does not open. This listener is never spun, so what it costs is the wire alone.
        self.recorder = rclpy.create_node("recorder", use_global_arguments=False)
        topics.listen_to(self.recorder, topics.EXECUTED, lambda message: None)
        self._policy = topics.publish_on(self.node, topics.POLICY)

    def deliver(self, blob: bytes) -> None:
        """Publish the artifact."""
        self._policy.publish(self._messages.policy_to_message(seal(blob)))

    def _on_guard(self, message: Any) -> None:
        state = self._messages.message_to_state(message)
        self.phase = state["phase"]
        if self.phase == "closed":
            self.closed_s, self.used_s = time.perf_counter(), state["used_s"]

    def _on_executor(self, message: Any) -> None:
        self.taken = self._messages.message_to_state(message).get("turn") == 1


def one_process(folder: Path, blob: bytes, ticks: int) -> float:
    """Ticks per second with arm, executor and guard on one EventsExecutor."""
    import rclpy
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.signals import SignalHandlerOptions

    from sim.arm_node import ArmNode
    from turn_rl_ros.nodes.executor import Executor
    from turn_rl_ros.nodes.guard import GuardNode
    from turn_rl_ros.nodes.spin import make_executor, spin

    arguments = ["--ros-args", "--params-file", str(parameters(folder, ticks)), "--log-level", "error"]
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    conductor = Conductor()
    nodes = [ArmNode(), Executor(), GuardNode()]
    spinner = make_executor()
    for node in (*nodes, conductor.node):
        spinner.add_node(node)
    conductor.deliver(blob)
    spin(spinner, lambda: conductor.taken)
    for node in nodes[1:]:
        node.trigger_configure()
    for node in nodes[1:]:
        spin(spinner, lambda node=node: node.trigger_activate() == TransitionCallbackReturn.SUCCESS)
    started = time.perf_counter()
    spin(spinner, lambda: conductor.phase == "closed")
    rate = conductor.used_s * 20.0 / (conductor.closed_s - started)
    for node in (*nodes, conductor.node, conductor.recorder):
        node.destroy_node()
    spinner.shutdown()
    rclpy.try_shutdown()
    return rate


def separate_processes(folder: Path, blob: bytes, ticks: int) -> float:
    """Ticks per second with each node in a process of its own; this one only opens the window and waits."""
    import rclpy
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState
    from rclpy.signals import SignalHandlerOptions

    from turn_rl_ros.nodes.spin import make_executor, spin

    params = parameters(folder, ticks)
    modules = {"arm": "sim.arm_node", "executor": "turn_rl_ros.nodes.executor", "guard": "turn_rl_ros.nodes.guard"}
    ros_args = ["--ros-args", "--params-file", str(params), "--log-level", "error"]
    children = [
        subprocess.Popen([sys.executable, "-c", f"from {module} import main; raise SystemExit(main())", *ros_args])
        for module in modules.values()
    ]
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    conductor = Conductor()
    spinner = make_executor()
    spinner.add_node(conductor.node)
    conductor.deliver(blob)
    spin(spinner, lambda: conductor.taken and conductor.phase == "inactive")

    def change(name: str, transition: int) -> bool:
        client = conductor.node.create_client(ChangeState, f"{name}/change_state")
        client.wait_for_service(10.0)
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
        spinner.spin_until_future_complete(future, timeout_sec=10.0)
        return bool(future.done() and future.result().success)

    for name in ("executor", "guard"):
        change(name, Transition.TRANSITION_CONFIGURE)
        spin(spinner, partial(change, name, Transition.TRANSITION_ACTIVATE))
    started = time.perf_counter()
    spin(spinner, lambda: conductor.phase == "closed")
    rate = conductor.used_s * 20.0 / (conductor.closed_s - started)
    take_down(children, conductor, spinner)
    return rate


def take_down(children: Sequence[subprocess.Popen], conductor: Conductor, spinner: Any) -> None:
    """End the processes under test, then what watched them."""
    import rclpy

    for child in children:
        child.send_signal(signal.SIGINT)
    for child in children:
        child.wait(20)
    conductor.node.destroy_node()
    conductor.recorder.destroy_node()
    spinner.shutdown()
    rclpy.try_shutdown()


MODES = {"in_process": in_process, "one_process": one_process, "separate_processes": separate_processes}


def measure(mode: str, ticks: int) -> float:
    """Run one mode in a fresh interpreter, in a domain of its own."""
    environment = {
        **os.environ,
        "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    command = [sys.executable, "-m", "benchmarks.bench_loop", "--mode", mode, "--ticks", str(ticks)]
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=300).stdout
    return float(json.loads(out.splitlines()[-1]))


def main() -> None:
    """Measure all modes, or (with --mode) one of them, printing its rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--ticks", type=int, default=4000, help="control periods in a round")
    parser.add_argument("--mode", choices=MODES, help="measure one mode and print its rate")
    options = parser.parse_args()
    if options.mode:
        spec = make_spec(TASK)
        blob = policy_blob(spec)
        with tempfile.TemporaryDirectory() as folder:
            first: Any = spec if options.mode == "in_process" else Path(folder)
            print(json.dumps(MODES[options.mode](first, blob, options.ticks)))
        return
    rates: dict[str, list[float]] = {mode: [] for mode in MODES}
    for _ in track(range(options.rounds), description="rounds"):
        for mode in MODES:
            rates[mode].append(measure(mode, options.ticks))
    base, one, separate = (statistics.median(rates[mode]) for mode in MODES)
    rows: list[Row] = [
        row("whole loop over DDS, nodes composed in one process", one, "ticks/s", "PyBullet in process", base, 0.7),
        row("whole loop over DDS, a process a node", separate, "ticks/s", "PyBullet in process", base, 0.5),
    ]
    report("bench-loop", rows)


if __name__ == "__main__":
    main()
