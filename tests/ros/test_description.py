"""The robot description from the topic on which a driver publishes it, once and latched."""

import pytest
import rclpy
from std_msgs.msg import String

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.nodes import topics
from turn_rl_ros.nodes.description import fetch_description


def test_a_description_that_was_published_before_is_fetched_in_its_namespace(domain):
    rclpy.init()
    node = rclpy.create_node("robot_state_publisher", namespace="left")
    try:
        topics.publish_on(node, topics.ROBOT_DESCRIPTION).publish(String(data="<robot name='left'/>"))
        assert fetch_description("robot_description", "left") == "<robot name='left'/>"
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def test_without_one_the_message_says_what_to_start(domain):
    with pytest.raises(ConfigError, match=r"nothing on /right/robot_description within 0.5 s; start the arm's driver"):
        fetch_description("robot_description", "right", patience_s=0.5)
