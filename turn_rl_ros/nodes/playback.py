"""The topics of an arm, its guard and its executor, spoken by somebody who has a recording of them.

There is no publisher of a controller's commands here, so no recording can move an arm.
"""

from rclpy.duration import Duration
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from turn_rl_ros.core.decision import Decision
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.data.replay import Moment, Window
from turn_rl_ros.nodes import messages, topics

ACKNOWLEDGED = Duration(seconds=5)
EXCLUSIVE = (topics.JOINT_STATES, topics.EXECUTED, topics.CLOCK)
"""Who listens to these must hear one voice."""


class Playback:
    """Publishes moments of a recording, /clock with them, and what was said about their window."""

    def __init__(self, node: Node, spec: TaskSpec) -> None:
        self._node = node
        self._states = topics.publish_on(node, topics.JOINT_STATES)
        self._executed = topics.publish_on(node, topics.EXECUTED)
        self._goals = topics.publish_on(node, topics.GOAL)
        self._guard = topics.publish_on(node, topics.GUARD_STATE)
        self._executor = topics.publish_on(node, topics.EXECUTOR_STATE)
        self._clock = topics.publish_on(node, topics.CLOCK)
        self._message = JointState(name=list(spec.joint_names))
        self._goal: list[float] | None = None

    @property
    def listeners(self) -> int:
        """How many hear both states and executed commands."""
        return min(one.get_subscription_count() for one in (self._states, self._executed))

    def rival(self) -> str:
        """A topic that somebody else publishes, too; empty when there is none."""
        names = (self._node.resolve_topic_name(topic.name) for topic in EXCLUSIVE)
        return next((name for name in names if self._node.count_publishers(name) > 1), "")

    def moment(self, moment: Moment) -> None:
        """A state, and what was executed on it; the goal first where it is a new one."""
        self.state(moment)
        goal = moment.decision.goal.tolist()
        if goal != self._goal:
            self._goal = goal
            self._goals.publish(messages.goal_to_message(moment.decision.goal, moment.stamp_ns, "base"))
        self._executed.publish(messages.decision_to_message(moment.decision))

    def state(self, moment: Moment) -> None:
        """A state alone, and its time."""
        clock, stamp = Clock(), divmod(moment.stamp_ns, 1_000_000_000)
        for target in (clock.clock, self._message.header.stamp):
            target.sec, target.nanosec = stamp
        self._clock.publish(clock)
        self._message.position, self._message.velocity = moment.position.tolist(), moment.velocity.tolist()
        self._states.publish(self._message)

    def probe(self) -> None:
        """What a guard says between windows."""
        decision = Decision.probe(len(self._message.name))
        self._executed.publish(messages.decision_to_message(decision))

    def open(self, window: Window) -> None:
        """The window opens; the policy that acted in it is named first."""
        self._goal = None
        self.policy(window)
        self._say("open", window, "")

    def policy(self, window: Window) -> None:
        """Name the policy that acted in a window."""
        facts = window.facts
        policy = {"turn": facts["policy_turn"], "policy_sha256": facts["policy_sha256"], "algorithm": ""}
        self._executor.publish(messages.state_to_message(policy))

    def close(self, window: Window, reason: str = "") -> None:
        """The window closes, for the recorded reason unless another is given."""
        # Topics have no order between them: what was executed must be there before the word that it was all.
        for publisher in (self._states, self._executed):
            publisher.wait_for_all_acked(ACKNOWLEDGED)
        self._say("closed", window, reason or f"replay of {window.name}: {window.facts['stop_reason']}")

    def _say(self, phase: str, window: Window, reason: str) -> None:
        """What the guard said of this window when it was recorded."""
        facts, wear = window.facts, window.facts["wear"]
        state = {
            "phase": phase,
            "reason": reason,
            "window_s": facts["window_asked_s"],
            "used_s": facts["window_used_s"],
            "until_ns": window.until_ns,
            **{name: wear.get(name, {}) for name in ("interventions", "grant", "wear")},
        }
        self._guard.publish(messages.state_to_message(state))
