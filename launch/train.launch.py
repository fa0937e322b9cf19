"""One training on the sessions of a run directory: `ros2 launch turn_rl_ros train.launch.py run_dir:=runs/latest`."""

from launch import LaunchDescription

from turn_rl_ros.launching import arguments, nodes

# No /clock is needed, or there, while the arm is gone.
ONCE = {"trainer": {"once": True, "use_sim_time": False}}


def generate_launch_description() -> LaunchDescription:
    """The trainer alone: trains on what is recorded, keeps and publishes the policy, exits."""
    names = ("env", "params_file", "run_dir", "seed", "namespace", "log_level")
    return LaunchDescription([*arguments(*names, env=""), nodes("trainer", ends="trainer", extra=lambda _: ONCE)])
