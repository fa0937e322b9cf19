"""One window against whatever arm is there: `ros2 launch turn_rl_ros session.launch.py window:=10min`."""

from launch import LaunchDescription

from turn_rl_ros.launching import arguments, nodes, one_more


def generate_launch_description() -> LaunchDescription:
    """Guard, executor, collector, and a director that opens one window and ends. Needs no torch."""
    names = ("env", "params_file", "run_dir", "window", "seed", "rate", "namespace", "use_sim_time", "record",
             "log_level")  # fmt: skip
    crew = nodes("guard", "executor", "collector", "director", ends="director", extra=one_more)
    return LaunchDescription([*arguments(*names, env="", namespace="", use_sim_time="false"), crew])
