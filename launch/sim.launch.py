"""Everything against the simulated arm: `ros2 launch turn_rl_ros sim.launch.py env:=panda turns:=6 window:=60`."""

from launch import LaunchDescription

from turn_rl_ros.launching import ARGUMENTS, arguments, nodes


def generate_launch_description() -> LaunchDescription:
    """Arm, guard, executor, collector, trainer and director; ends with the director."""
    crew = nodes("arm", "guard", "executor", "collector", "trainer", "director", ends="director")
    return LaunchDescription([*arguments(*ARGUMENTS), crew])
