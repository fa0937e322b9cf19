"""The robot description, once, from whoever publishes it; for launch files, which are no node."""

import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import String

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.nodes import topics

PATIENCE_S = 10.0


def fetch_description(topic: str, namespace: str = "", patience_s: float = PATIENCE_S) -> str:
    """The URDF on `topic`, which is relative to `namespace`. Raises ConfigError when none comes."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)  # what stands on the command line of `ros2 launch` is no remapping
    node = rclpy.create_node("description", namespace=namespace, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    heard: list[str] = []

    def on_message(message: String) -> None:
        heard.append(message.data)

    try:
        topics.listen_to(node, topics.ROBOT_DESCRIPTION._replace(name=topic), on_message)
        until_s = time.monotonic() + patience_s
        while not heard and time.monotonic() < until_s:
            executor.spin_once(timeout_sec=0.1)
        if not heard:
            raise ConfigError(
                f"task.urdf = 'topic:{topic}': nothing on {node.resolve_topic_name(topic)} within {patience_s:g} s; "
                "start the arm's driver (robot_state_publisher) first"
            )
        return heard[0]
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
