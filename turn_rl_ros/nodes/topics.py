"""Names, types and QoS of every topic and service, once. Names are relative: a namespace makes a second arm."""

from collections.abc import Callable
from typing import Any, NamedTuple

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float64MultiArray, String, UInt8MultiArray
from trajectory_msgs.msg import JointTrajectory

from turn_rl_ros.nodes.wire import JointStateDecoder, NumbersDecoder

# Deep enough that a collector which is descheduled for a second at 1,000 ticks/s loses nothing.
STREAM = QoSProfile(depth=2000, reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST)
# Only the newest command may move an arm.
COMMAND = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST)
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CLOCK_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)  # REP and rclcpp::ClockQoS
DIAGNOSTICS_QOS = QoSProfile(depth=10)


class Topic(NamedTuple):
    """Where something is said, in which type, and with which QoS."""

    name: str
    kind: Any
    qos: QoSProfile
    decoder: Callable[[], Callable[[bytes], Any]] | None = None
    """Of what comes at the rate of the control loop; callbacks get what it gives instead of a `kind`."""


def publish_on(node: Node, topic: Topic) -> Publisher:
    """A publisher of `topic` for `node`."""
    return node.create_publisher(topic.kind, topic.name, topic.qos)


def listen_to(node: Node, topic: Topic, callback: Callable[[Any], None]) -> Subscription:
    """Call `callback` with every message on `topic`."""
    if topic.decoder is None:
        return node.create_subscription(topic.kind, topic.name, callback, topic.qos)
    decode = topic.decoder()

    def on_bytes(raw: Any) -> None:
        try:
            message = decode(raw)
        except Exception as error:  # a stranger's bytes; to the receiver they are silence, which the guard answers
            node.get_logger().error(f"{topic.name}: a message cannot be read: {error}", throttle_duration_sec=1.0)
            return
        callback(message)

    return node.create_subscription(topic.kind, topic.name, on_bytes, topic.qos, raw=True)


JOINT_STATES = Topic("joint_states", JointState, STREAM, JointStateDecoder)
"""From the arm, as joint_state_broadcaster publishes it."""
GOAL = Topic("goal", PoseStamped, LATCHED)
"""The goal of the running episode, in the base frame (from the executor, for eyes and bags)."""
PROPOSED = Topic("executor/command", Float64MultiArray, STREAM, NumbersDecoder)
"""Executor to guard: a `core.decision.Decision`, laid out by `messages.decision_to_message`."""
EXECUTED = Topic("guard/executed", Float64MultiArray, STREAM, NumbersDecoder)
"""Guard to collector: the decision as it was sent to the controller, with the cause of any change."""
POLICY = Topic("turn_rl/policy", UInt8MultiArray, LATCHED)
"""Trainer to executor: the artifact's bytes; layout.dim[0].label is 'sha256:<hex>', dim[1].label 'ed25519:<hex>'."""
EXECUTOR_STATE = Topic("executor/state", String, LATCHED)
"""JSON: the policy that acts (turn, sha256, algorithm), why the last one was refused, what was rolled back and why."""
GUARD_STATE = Topic("guard/state", String, LATCHED)
"""JSON: open or closed, the reason, seconds used, interventions by cause."""
COLLECTOR_STATE = Topic("collector/state", String, LATCHED)
"""JSON: recording or sealed, the file, rows, drops by reason."""
TRAINER_STATE = Topic("trainer/state", String, LATCHED)
"""JSON: idle, training or failed, turn, step of steps, message."""
DIRECTOR_STATE = Topic("director/state", String, LATCHED)
"""JSON: turn, phase, message."""
REPLAY_STATE = Topic("replay/state", String, LATCHED)
"""JSON: waiting, playing, paused or done, the recording, seconds played."""
SHADOW = Topic("shadow/command", Float64MultiArray, STREAM, NumbersDecoder)
"""What another policy would have commanded: a `core.decision.Decision` that nobody obeys."""
RECORDER_STATE = Topic("recorder/state", String, LATCHED)
"""JSON: recording or waiting, the bag, messages."""
HOMING_STATE = Topic("homing/state", String, LATCHED)
"""JSON: whether the home service has the arm, and what came of the last way home."""
ESTOP = Topic("estop", Bool, QoSProfile(depth=10))
"""True latches the e-stop; False alone never re-arms it."""
VELOCITY_COMMANDS = Topic("forward_velocity_controller/commands", Float64MultiArray, COMMAND)
POSITION_COMMANDS = Topic("forward_position_controller/commands", Float64MultiArray, COMMAND)
JOINT_TRAJECTORY = Topic("joint_trajectory_controller/joint_trajectory", JointTrajectory, COMMAND)
ROBOT_DESCRIPTION = Topic("robot_description", String, LATCHED)
"""The arm's URDF, as robot_state_publisher publishes it."""
CLOCK = Topic("/clock", Clock, CLOCK_QOS)
DIAGNOSTICS = Topic("/diagnostics", DiagnosticArray, DIAGNOSTICS_QOS)

ESTOP_SERVICE = "guard/estop"
"""std_srvs/SetBool: true latches the e-stop, false re-arms it unless its cause is still there."""
HOME_SERVICE = "arm/home"
"""std_srvs/Trigger: drive the arm to its home position; answered at once, arrival is seen from joint_states."""
ACTIVATE_SERVICE = "controller_manager/activate"
"""std_srvs/Trigger, `/<controller>` appended: the stand-in's way to switch controllers."""
CONTROLLERS_SERVICE = "controller_manager/controllers"
"""std_srvs/Trigger: the stand-in's controllers in the answer's message, JSON of name -> active or inactive."""
ROLLBACK_SERVICE = "executor/rollback"
"""std_srvs/Trigger: the policy before acts again, and the one that acted is not taken again."""
PAUSE_SERVICE = "replay/pause"
"""std_srvs/SetBool: true pauses the replay, false lets it go on."""
TRAIN_SERVICE = "trainer/train"
"""std_srvs/Trigger: train on everything recorded so far; answered at once, progress is on `trainer/state`."""
