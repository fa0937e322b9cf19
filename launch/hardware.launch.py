"""One window on a real arm: `ros2 launch turn_rl_ros hardware.launch.py robot:=ur10 window:=10min`."""

from launch import LaunchDescription

from turn_rl_ros.launching import arguments, nodes, one_more


def generate_launch_description() -> LaunchDescription:
    """Guard, executor, collector, homing, a pre-flight check, and once that passed a director that opens one window."""
    names = ("robot", "params_file", "run_dir", "window", "seed", "rate", "namespace", "use_sim_time", "record",
             "log_level", "dry_run", "use_mock_hardware")  # fmt: skip
    crew = nodes(
        "guard", "executor", "collector", "homing", "preflight", "director",
        gate="preflight", ends="director", extra=one_more,
    )  # fmt: skip
    return LaunchDescription([*arguments(*names, namespace="", use_sim_time="false"), crew])
