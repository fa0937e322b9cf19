"""Executor: policy to command. Swaps policies between episodes, after every check of the artifact."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import String, UInt8MultiArray
from std_srvs.srv import Trigger

from turn_rl_ros.core.artifact import Artifact, open_artifact
from turn_rl_ros.core.behaviour import Behaviour, make_behaviour
from turn_rl_ros.core.errors import PolicyRejected, TurnRlError
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.pilot import Pilot, PilotConfig, Ticker
from turn_rl_ros.core.task import make_task
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import OK, WARN, SessionNode
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.spin import run_node

HOME_RETRY_NS = 1_000_000_000
"""Longer than a way home that has just been asked for takes to begin."""


class Executor(SessionNode):
    """Active: answers one joint state a control period with one decision. Inactive: silent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("executor", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, PilotConfig)
        self._behaviour_config = declare(self, BehaviourConfig, "behaviour.")
        refuse_unknown(self)
        follow_changes(self)
        self._task = make_task(self.spec)
        self._reader = messages.JointStateReader(self.spec.joint_names)
        self._ticker = Ticker(self.spec.period_ns)
        self._artifact: Artifact | None = None
        self._refusal = ""
        self._pilot: Pilot | None = None
        self._goal: NDArray[np.float64] | None = None
        self._proposed = topics.publish_on(self, topics.PROPOSED)
        self._goals = topics.publish_on(self, topics.GOAL)
        self._state = topics.publish_on(self, topics.EXECUTOR_STATE)
        self._home = self.create_client(Trigger, topics.HOME_SERVICE)
        self._ask_home_ns = 0
        self._open = False
        """Whether the guard's window is open: what is proposed before would be part of no session."""
        topics.listen_to(self, topics.JOINT_STATES, self._on_state)
        topics.listen_to(self, topics.POLICY, self._on_policy)
        topics.listen_to(self, topics.GUARD_STATE, self._on_guard)
        self._publish_state()
        self.start_diagnostics()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open: a pilot of its own for each session, so that goals depend on the seed and the session alone."""
        self.fault = self.unwired(guard=self._proposed)
        if self.fault:
            self._publish_state()
            return TransitionCallbackReturn.FAILURE
        self._ask_home_ns = 0
        self._pilot = Pilot(self._task, self.config, self._new_behaviour(), on_episode=self._refresh)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close: fall silent; the guard holds."""
        self._pilot = None
        return super().on_deactivate(state)

    def _on_state(self, message: JointState) -> None:
        try:
            position, velocity, stamp = self.read_state(message)
        except TurnRlError as error:
            self.warn_once_a_second(f"silent: {error}")
            return
        if self._pilot is None or not self._open or not self._ticker.due(stamp):
            return
        decision = self._pilot.tick(position, velocity, stamp)
        self._proposed.publish(messages.decision_to_message(decision))
        if self._pilot.goal is not self._goal:
            self._goal = self._pilot.goal
            self._goals.publish(messages.goal_to_message(self._goal, message.header.stamp, "base"))
        if self._pilot.wants_home:
            self._ask_home(stamp)

    def _ask_home(self, stamp_ns: int) -> None:
        """Call the arm's home service, again every HOME_RETRY_NS: a request can be lost before the service is up."""
        if stamp_ns < self._ask_home_ns:
            return
        self._ask_home_ns = stamp_ns + HOME_RETRY_NS
        if self._home.service_is_ready():
            self._home.call_async(Trigger.Request())
        else:
            self.warn_once_a_second(
                f"holding: nobody offers the service {topics.HOME_SERVICE}, which has to bring the arm home"
            )

    def _on_policy(self, message: UInt8MultiArray) -> None:
        try:
            blob, sha256 = messages.message_to_policy(message)
            artifact = open_artifact(blob, self.spec, sha256)
        except PolicyRejected as error:
            self._refusal = str(error)
            kept = f"turn {self._artifact.turn}" if self._artifact else "random behaviour"
            self.get_logger().error(f"policy refused, {kept} stays: {error}")
        else:
            self._refusal = ""
            self._artifact = artifact
            self.get_logger().info(f"policy of turn {artifact.turn} accepted ({artifact.sha256[:12]})")
        self._publish_state()

    def _on_guard(self, message: String) -> None:
        phase = messages.message_to_state(message).get("phase")
        self._open = phase == "open"
        if self._pilot is not None and phase == "closed":
            self.trigger_deactivate()

    def _refresh(self) -> Behaviour:
        """Between two episodes: take up a policy that came in meanwhile."""
        assert self._pilot is not None
        current = self._pilot.behaviour
        return current if self._artifact is self._acting else self._new_behaviour()

    def _new_behaviour(self) -> Behaviour:
        self._acting = self._artifact
        turn = self._artifact.turn if self._artifact else 0
        rng = np.random.default_rng([self.config.seed, self.config.session, turn])
        policy = self._artifact.policy if self._artifact else None
        return make_behaviour(self._task, self._behaviour_config, policy, rng)

    def _publish_state(self) -> None:
        self._state.publish(messages.state_to_message(self._facts()))

    def _facts(self) -> Mapping[str, Any]:
        artifact = self._artifact
        return {
            "turn": artifact.turn if artifact else 0,
            "policy_sha256": artifact.sha256 if artifact else "",
            "algorithm": artifact.metadata.get("algorithm", "") if artifact else "random",
            "refused": self._refusal,
            "fault": self.fault,
        }

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        acting = "acting" if self._pilot else "silent"
        return (WARN if self._refusal else OK), self._refusal or acting, self._facts()


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `executor`."""
    return run_node(Executor, args)
