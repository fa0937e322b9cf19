"""All nodes of a simulated run in one process: `turn-rl demo`. No launch system, the same nodes, the same DDS."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions

from turn_rl_ros.core.scenario import scenario_file, write_scenario
from turn_rl_ros.nodes.base import steady_s
from turn_rl_ros.nodes.collector import Collector
from turn_rl_ros.nodes.director import Director
from turn_rl_ros.nodes.executor import Executor
from turn_rl_ros.nodes.guard import GuardNode
from turn_rl_ros.nodes.spin import Stop, make_executor, spin
from turn_rl_ros.nodes.trainer import Trainer

NAMESPACE = "turn_rl_demo"
"""Commands of a simulated run must never reach a real controller that listens on the same machine."""
SETTLE_S = 1.0


class Composition:
    """arm, executor, guard, collector, trainer and director on one executor, in a namespace of their own."""

    def __init__(self, params_file: Path) -> None:
        # Two simulations that share a /clock ruin each other, so each process has a domain of its own, on this machine.
        os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        arguments = [
            "--ros-args",
            "--params-file",
            str(params_file),
            "-r",
            f"__ns:=/{NAMESPACE}",
            "--log-level",
            "warn",
        ]
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        self.nodes: list[Any] = []
        self._executor = make_executor()
        try:
            from sim.arm_node import ArmNode  # a robot computer has these nodes without the simulator

            self.arm = self._add(ArmNode)
            self.executor = self._add(Executor)
            self.guard = self._add(GuardNode)
            self.collector = self._add(Collector)
            self.trainer = self._add(Trainer)
            self.director = self._add(Director)
        except BaseException:
            self.close()
            raise

    def _add(self, kind: Callable[[], Any]) -> Any:
        node = kind()
        self.nodes.append(node)
        self._executor.add_node(node)
        return node

    def run(self, look: Callable[["Composition"], None]) -> bool:
        """Spin until the director is done; False when the user stopped it. `look` is called a few times a second."""
        stop = Stop()

        def finished() -> bool:
            look(self)
            return stop() or self.director.done

        spin(self._executor, finished)
        return not stop()

    def activity(self) -> "Activity | None":
        """What takes time right now, for a progress bar."""
        window, training, scoring = self.guard.window, self.trainer.facts, self.director.scoring
        if window is not None:
            note = f"{window.left_s:.0f} s of robot time left, {self.collector.rows} transitions"
            return Activity("window", window.used_s, window.used_s + window.left_s, note)
        if training.get("phase") == "training":
            metrics = training.get("metrics", {})
            note = ", ".join(f"{name} {value:.3g}" for name, value in metrics.items())
            return Activity("training", training["step"], training["steps"], note)
        if scoring is not None:
            return Activity("held-out goals", scoring[0], scoring[1], "")
        return None

    def close(self) -> None:
        """The director first, then the hand on the arm; the collector hears why the window closed, and seals."""
        order = ("director", "executor", "guard", "collector", "trainer", "arm")
        for node in sorted(self.nodes, key=lambda node: order.index(node.get_name())):
            if isinstance(node, Collector):
                self._let_seal(node)
            node.close()
        self._executor.shutdown()
        for node in self.nodes:
            node.destroy_node()
        rclpy.try_shutdown()

    def _let_seal(self, collector: Collector) -> None:
        deadline = steady_s() + SETTLE_S
        spin(self._executor, lambda: not collector.recording or steady_s() > deadline)


@dataclass(frozen=True)
class Activity:
    """One thing under way: `done` of `total`, in its own unit."""

    kind: str
    done: float
    total: float
    note: str


def prepare(env: str, run_dir: Path, params_file: Path | None, overrides: dict[str, dict[str, Any]]) -> Path:
    """Write the run's own scenario file and give its path. Raises ConfigError."""
    target = run_dir / "scenario.yaml"
    common = {"run_dir": str(run_dir)}
    keepers = ("guard", "executor", "collector", "trainer", "director")
    merged = {node: {**common, **overrides.get(node, {})} for node in keepers}
    merged.update({node: values for node, values in overrides.items() if node not in merged})
    write_scenario(params_file or scenario_file(env), target, merged)
    return target
