"""Guard: the only node that commands the arm. Limits what the executor proposes, holds on silence, ends the window."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from turn_rl_ros.core.decision import NO_EPISODE, Decision
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.guard import Cause, Guard, GuardConfig, Window
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, OK, SessionNode, steady_s
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.spin import run_node

CHECK_PERIOD_S = 0.05


class GuardNode(SessionNode):
    """Active: the window is open. Deactivation, for whatever reason, holds the arm and says why on `guard/state`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("guard", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, GuardConfig)
        refuse_unknown(self)
        follow_changes(self)
        self._reader = messages.JointStateReader(self.spec.joint_names)
        velocity = self.spec.command_interface == "velocity"
        self._commands = topics.publish_on(self, topics.VELOCITY_COMMANDS if velocity else topics.POSITION_COMMANDS)
        self._executed = topics.publish_on(self, topics.EXECUTED)
        self._state = topics.publish_on(self, topics.GUARD_STATE)
        self._guard: Guard | None = None
        self._window = Window(self.config.window_s)
        self._interventions: Counter[str] = Counter()
        self._reason = ""
        self._latest_ns = 0
        self._early: Decision | None = None
        """A proposal that overtook the state it answers."""
        topics.listen_to(self, topics.JOINT_STATES, self._on_state)
        topics.listen_to(self, topics.PROPOSED, self._on_proposal)
        self.create_timer(CHECK_PERIOD_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._publish_state("inactive")
        self.start_diagnostics()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the window; its time runs from the first joint state on."""
        self.fault = self.unwired(controller=self._commands, collector=self._executed)
        if self.fault:
            self._publish_state("inactive")
            return TransitionCallbackReturn.FAILURE
        self._guard = Guard(self.spec, self.config)
        self._window = Window(self.config.window_s)
        self._interventions.clear()
        self._reason = self.fault = ""
        self._early = None
        self._latest_ns = 0  # a proposal waits for the window's first state: without one there is nothing to hold
        self._good_s = self._sent_s = steady_s()
        self._publish_state("open")
        self.get_logger().info(f"window open: {self.config.window_s:g} s")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Hold, and say why."""
        self._close("deactivated")
        return super().on_deactivate(state)

    @property
    def window(self) -> Window | None:
        """The open window; None while there is none."""
        return self._window if self._guard else None

    def close(self) -> None:
        """Hold before the process goes."""
        self._close("guard stopped")

    def _on_state(self, message: JointState) -> None:
        try:
            position, _, stamp = self.read_state(message)
        except TurnRlError as error:
            if self._guard is None:
                return
            self.fault = str(error)
            self.warn_once_a_second(f"holding: {error}")
            self._send_hold(messages.stamp_ns(message.header.stamp), Cause.NONE)
            return
        if self._guard is None:
            return
        self._good_s, self.fault = steady_s(), ""
        self._latest_ns = stamp
        self._guard.observe(position, stamp)
        if self._window.tick(stamp):
            self._end("window used up" if self._window.left_s <= 0 else "the clock ran backwards")
        elif self._early is not None:
            early, self._early = self._early, None
            self._pass_on(early)
        elif self._guard.silent():
            self._send_hold(stamp, Cause.SILENCE)

    def _on_proposal(self, message: Float64MultiArray) -> None:
        if self._guard is None:
            return
        try:
            decision = messages.message_to_decision(message)
        except (TurnRlError, ValueError, OverflowError) as error:
            self.warn_once_a_second(f"holding: the executor's command cannot be read: {error}")
            self._send_hold(self._latest_ns, Cause.BAD_COMMAND)
            return
        # Two topics, no order between them: the command for a state may overtake the state.
        if decision.stamp_ns > self._latest_ns:
            self._early = decision
        else:
            self._pass_on(decision)

    def _pass_on(self, decision: Decision) -> None:
        assert self._guard is not None
        command, cause = self._guard.allow(decision.command, decision.stamp_ns)
        self._send(decision.executed(command, cause), cause)

    def _send_hold(self, stamp_ns: int, cause: Cause) -> None:
        if self._guard is None or not self._guard.can_hold:
            return
        self._send(Decision(stamp_ns, NO_EPISODE, 0, 0, np.zeros(3), self._guard.hold(), int(cause)), cause)

    def _send(self, decision: Decision, cause: Cause) -> None:
        self._commands.publish(messages.command_to_message(decision))
        self._executed.publish(messages.decision_to_message(decision))
        self._sent_s = steady_s()
        if cause:
            self._interventions.update(cause.names())

    def _check(self) -> None:
        """On the steady clock: what to do when joint states stop coming, and the ROS clock perhaps with them."""
        if self._guard is None:
            return
        quiet_s = steady_s() - self._good_s
        if quiet_s >= self.config.state_timeout_s:
            self._end(self.fault or f"no joint_states for {quiet_s:.1f} s")
        elif quiet_s >= self._patience_s and steady_s() - self._sent_s >= self._patience_s:
            self._send_hold(self._latest_ns, Cause.SILENCE)

    @property
    def _patience_s(self) -> float:
        """Wall-clock silence of the arm before a hold. In simulated time a slow step is not silence."""
        simulated = self.get_parameter("use_sim_time").value
        return self.config.state_timeout_s if simulated else self.config.silence_periods * self.spec.period_s

    def _end(self, reason: str) -> None:
        self._reason = self._reason or reason
        self.trigger_deactivate()

    def _close(self, reason: str) -> None:
        if self._guard is None:
            return
        self._reason = self._reason or reason
        self._send_hold(self._latest_ns, Cause.NONE)
        self._guard = None
        self._publish_state("closed")
        self.get_logger().info(f"window closed after {self._window.used_s:.2f} s: {self._reason}")

    def _facts(self) -> dict[str, Any]:
        return {
            "reason": self._reason,
            "fault": self.fault,
            "window_s": self.config.window_s,
            "used_s": self._window.used_s,
            "left_s": self._window.left_s,
            "until_ns": self._latest_ns,
            "interventions": dict(self._interventions),
        }

    def _publish_state(self, phase: str) -> None:
        self._state.publish(messages.state_to_message({"phase": phase, **self._facts()}))

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        if self.fault:
            return ERROR, f"holding: {self.fault}", self._facts()
        return OK, "window open" if self._guard else "closed", self._facts()


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `guard`."""
    return run_node(GuardNode, args)
