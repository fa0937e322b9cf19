"""One window against whatever arm is there: `ros2 launch turn_rl_ros session.launch.py window:=600`."""

from pathlib import Path

from launch import LaunchDescription

from turn_rl_ros.core.turns import read_summary
from turn_rl_ros.launching import Overrides, arguments, nodes


def one_more(run_dir: Path) -> Overrides:
    """Walk one turn further than the run has come; training and scoring happen elsewhere."""
    done = len(read_summary(run_dir / "summary.json").get("turns", []))
    return {"director": {"turns": done + 1, "train": False, "evaluate_goals": 0}}


def generate_launch_description() -> LaunchDescription:
    """Guard, executor, collector, and a director that opens one window and ends. Needs no torch."""
    names = ("env", "params_file", "run_dir", "window", "seed", "rate", "namespace", "use_sim_time")
    crew = nodes("guard", "executor", "collector", "director", ends="director", extra=one_more)
    return LaunchDescription([*arguments(*names, env="", namespace="", use_sim_time="false"), crew])
