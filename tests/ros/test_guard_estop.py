"""The e-stop over real DDS: who latches it, who re-arms it, and that a restart does not."""

import pytest
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from std_msgs.msg import Bool, UInt8
from std_srvs.srv import SetBool

from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.nodes import topics
from turn_rl_ros.nodes.guard import GuardNode

VENDOR = {"safety_topic": "safety_mode", "safety_type": "std_msgs/msg/UInt8", "safety_field": "data"}


def press(bench, value):
    button = topics.publish_on(bench.node, topics.ESTOP)
    bench.until(lambda: button.get_subscription_count())
    button.publish(Bool(data=value))
    return button


def ask(bench, value):
    client = bench.node.create_client(SetBool, topics.ESTOP_SERVICE)
    bench.until(client.service_is_ready)
    future = client.call_async(SetBool.Request(data=value))
    bench.until(future.done)
    return future.result()


def test_the_button_stops_a_moving_arm_and_ends_the_window(make):
    bench = make().open()
    bench.state(0)
    bench.propose(0, [0.3] * 7)
    bench.until(lambda: bench.commands)
    press(bench, True)
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert bench.commands[-1] == [0.0] * 7
    assert bench.states[-1]["reason"] == "e-stop: estop is true"
    assert bench.states[-1]["interventions"] == {"estop": 1}


def test_it_stays_latched_when_the_button_is_released_and_after_a_restart(make):
    bench = make()
    press(bench, True)
    bench.until(lambda: bench.states[-1]["estop"])
    press(bench, False)
    assert not bench.opens()
    bench.close()
    again = make()
    assert not again.opens()
    assert "the e-stop is latched (estop is true); to re-arm it: ros2 service call /guard/estop" in again.guard.fault
    assert ask(again, False).success
    again.open()


def test_it_is_not_re_armed_while_its_cause_is_there(make):
    bench = make()
    press(bench, True)
    bench.until(lambda: bench.states[-1]["estop"])
    answer = ask(bench, False)
    assert (answer.success, answer.message) == (False, "not re-armed: estop is true")


def test_the_service_latches_too(make):
    bench = make().open()
    assert ask(bench, True).success
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert bench.states[-1]["estop"] == "service guard/estop"


def test_the_vendor_s_safety_mode_latches_it_and_must_be_heard_first(make):
    bench = make(**VENDOR)
    bench.state(-1)
    bench.executor.spin_once(timeout_sec=0.05)
    assert not bench.opens()
    assert "nothing on safety_topic 'safety_mode'" in bench.guard.fault
    mode = bench.node.create_publisher(UInt8, "safety_mode", QoSProfile(depth=1))
    bench.until(lambda: mode.get_subscription_count())
    mode.publish(UInt8(data=1))
    bench.open()
    mode.publish(UInt8(data=3))
    bench.until(lambda: bench.states[-1]["phase"] == "closed")
    assert bench.states[-1]["reason"] == "e-stop: safety_mode says data = 3"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({**VENDOR, "safety_type": "nobody_msgs/msg/Mode"}, "nobody_msgs/msg/Mode"),
        ({**VENDOR, "safety_field": "mode"}, "std_msgs/msg/UInt8 has data"),
    ],
)
def test_a_message_type_that_does_not_exist_is_refused(ros, tmp_path, parameters, words):
    parameters = {"run_dir": str(tmp_path), **parameters}
    with pytest.raises(ConfigError, match=words):
        GuardNode(parameter_overrides=[Parameter(k, value=v) for k, v in parameters.items()])
