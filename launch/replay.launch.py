"""A recording back onto the topics: `ros2 launch turn_rl_ros replay.launch.py source:=runs/demo`."""

from launch import LaunchDescription

from turn_rl_ros.launching_replay import replay, replay_arguments


def generate_launch_description() -> LaunchDescription:
    """The replay with /clock; a collector that records it anew and a policy in shadow mode where asked for."""
    return LaunchDescription([*replay_arguments(), replay()])
