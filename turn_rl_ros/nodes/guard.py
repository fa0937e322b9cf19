"""Guard: the only node that commands the arm. Limits what the executor proposes, holds on silence, ends the window."""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from turn_rl_ros.core.decision import NO_EPISODE, Decision
from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.guard.account import Account
from turn_rl_ros.core.guard.budget import WINDOW_SPENT, Window
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.guard import Cause, Guard
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, OK, SessionNode, steady_s
from turn_rl_ros.nodes.estop import EStop
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.spin import run_node
from turn_rl_ros.nodes.wire import JointNumbers, Numbers

CHECK_PERIOD_S = 0.05
PROBE_PERIOD_S = 0.25
RECORDER_TIMEOUT_S = 3.0
"""A collector that was heard on /diagnostics, once a second, and then no more for so long is gone or stands still."""
ANSWER_SHARE = 0.5
"""Share of `latency_s` that the executor has for an answer where the last command leaves no room for another period."""
LONGEST_STOP_NS = 2_000_000_000
"""When the window closes on a moving arm, its stop is commanded for so long at most."""


class GuardNode(SessionNode):
    """Active: the window is open. Deactivation, for whatever reason, stops the arm and says why on `guard/state`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("guard", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, GuardConfig)
        refuse_unknown(self)
        follow_changes(self, "window_id", "window_s")  # not its limits: any node of the graph could widen them
        Guard(self.spec, self.config)  # parameters that do not fit the robot are refused now, not when the window opens
        self._account = Account(self.spec, self.config)
        self._reader = messages.JointStateReader(self.spec.joint_names)
        velocity = self.spec.command_interface == "velocity"
        self._commands = topics.publish_on(self, topics.VELOCITY_COMMANDS if velocity else topics.POSITION_COMMANDS)
        self._executed = topics.publish_on(self, topics.EXECUTED)
        self._state = topics.publish_on(self, topics.GUARD_STATE)
        self._guard: Guard | None = None
        self._interventions: Counter[str] = Counter()
        self._reason = ""
        self._end_cause = Cause.NONE
        self._recorded_s = math.inf
        self._sent_s = -math.inf
        self._latest_ns = 0
        self._last: tuple[NDArray[np.float64], NDArray[np.float64], int] | None = None
        self._names: list[str] | None = None
        self._early: Decision | None = None
        """A proposal that overtook the state it answers."""
        topics.listen_to(self, topics.JOINT_STATES, self._on_state)
        topics.listen_to(self, topics.PROPOSED, self._on_proposal)
        self._collector = f"{self.get_namespace().rstrip('/')}/collector"
        self._estop = EStop(self, self.config, self._account.ledger, self._on_estop)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(CHECK_PERIOD_S, self._check, clock=steady)
        self._hurry = self.create_timer(ANSWER_SHARE * self.config.latency_s, self._brake_early, clock=steady)
        self._hurry.cancel()
        self._publish_state("inactive")
        self.start_diagnostics()

    # The window

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the window; its time runs from the first joint state on. The arm is held until the executor speaks."""
        self._account.look(self.config)
        try:
            guard = Guard(self.spec, self.config)
            self.fault = self._refusal()
        except ConfigError as error:
            self.fault = str(error)
        if self.fault:
            self._publish_state("inactive")
            return TransitionCallbackReturn.FAILURE
        self._guard = guard
        self._interventions.clear()
        self._reason, self._end_cause = "", Cause.NONE
        self._early = self._names = None
        self._latest_ns = 0  # a proposal waits for the window's first state: without one there is nothing to hold
        now_s = self._good_s = self._sent_s = self._spoke_s = self._awake_s = steady_s()
        if now_s - self._recorded_s >= RECORDER_TIMEOUT_S:
            self._recorded_s = math.inf  # not the collector, as it seems: another recorder is at work
        if self._last is not None and now_s - self._heard_s < self._patience_s:
            guard.observe(*self._last)
            self._send_hold(Cause.NONE, self._last[2])
        self._publish_state("open")
        self.get_logger().info(f"window open: {self._account.budget.window.left_s:g} s")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop, and say why."""
        self._close("deactivated")
        return super().on_deactivate(state)

    @property
    def window(self) -> Window | None:
        """The open window; None while there is none."""
        return self._account.budget.window if self._guard else None

    def close(self) -> None:
        """Stop the arm before the process goes, and leave the ledger to the next guard."""
        self._close("guard stopped")
        self._account.ledger.close()

    def destroy_node(self) -> None:
        """Free the ledger with the node."""
        self._account.ledger.close()
        super().destroy_node()

    def _refusal(self) -> str:
        """Why the window may not open, in one line; empty when it may."""
        controller = {} if self.config.dry_run else {"controller": self._commands}
        fault = self._estop.fault or self.unwired(**controller, collector=self._executed)
        return fault or self._account.open()

    # What comes in

    def _on_state(self, message: JointNumbers) -> None:
        try:
            position, velocity, stamp = self._last = self.read_state(message)
            if self._guard is None or self._stood_still():
                return
            self._require_order(message.name)
            effort = messages.read_effort(message, self.spec.joint_names) if self.config.high_load else None
        except TurnRlError as error:
            self._distrust(str(error), Cause.BAD_STATE, messages.stamp_ns(message.header.stamp))
            return
        if stamp == self._latest_ns:
            return  # a driver that repeats itself says nothing new; silence is judged by the steady clock
        self._latest_ns = stamp
        self._guard.observe(position, velocity, stamp)
        budget = self._account.budget
        budget.observe(position, effort, stamp, None if self._simulated else time.monotonic_ns())
        if self._guard.frozen:
            self._distrust(
                "joint_states stand still although the arm was told to move; does it obey?", Cause.FROZEN_STATE, stamp
            )
            return
        self._good_s, self.fault = steady_s(), ""
        if budget.spent:
            self._end(budget.spent)
        elif not self._account.paid(wait=self._simulated):
            self._distrust(self._account.ledger.fault or "the ledger's disk does not keep up", Cause.BUDGET, stamp)
        elif self._early is not None:
            early, self._early = self._early, None
            self._pass_on(early)
        elif self._guard.silent:
            self._send_hold(Cause.SILENCE, stamp)
        else:
            self._mind_the_late()

    def _on_proposal(self, message: Numbers) -> None:
        if self._guard is None or self._stood_still():
            return
        try:
            decision = messages.message_to_decision(message)
        except TurnRlError as error:
            self.warn_once_a_second(f"holding: the executor's command cannot be read: {error}")
            self._send_hold(Cause.BAD_COMMAND, self._latest_ns)
            return
        # Two topics, no order between them: the command for a state may overtake the state.
        if decision.stamp_ns > self._latest_ns:
            self._early = decision
        else:
            self._pass_on(decision)

    def _on_estop(self, reason: str) -> None:
        if self._guard is not None:
            self._end(f"e-stop: {reason}", Cause.ESTOP)
        else:
            self._publish_state("inactive")

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        """Take note of the collector's sign of life, once a second."""
        super()._on_diagnostics(message)
        if any(status.hardware_id == self._collector for status in message.status):
            self._recorded_s = steady_s()

    def _check(self) -> None:
        """On the steady clock: what to do when messages stop coming, and the ROS clock perhaps with them."""
        if self._guard is None:
            self._say_grant()
            self._probe()
            return
        if self._stood_still():
            return
        now_s = steady_s()
        quiet_s = now_s - self._good_s
        if self._executed.get_subscription_count() == 0:
            self._end("nobody records")
        elif now_s - self._recorded_s >= RECORDER_TIMEOUT_S:  # motion that nobody records is wear for nothing
            self._end("the collector is gone, nobody records")
        elif quiet_s >= self.config.state_timeout_s:
            self._end(self.fault or f"no joint_states for {quiet_s:.1f} s")
        elif quiet_s >= self.spec.period_s and not self._simulated and self._latest_ns and self._window_passed():
            self._end(WINDOW_SPENT)
        elif now_s - self._spoke_s >= self.config.executor_timeout_s:
            self._end(f"no command for {now_s - self._spoke_s:.1f} s; is the executor running?")
        elif self._guard.at_rest and now_s - self._sent_s < self._patience_s:
            return
        elif self.fault:  # a stop that has begun goes on by itself
            self._send_hold(Cause.BAD_STATE, self._now_ns)
        elif quiet_s >= self._patience_s:
            self._send_hold(Cause.NO_STATE, self._now_ns)

    # What goes out

    def _pass_on(self, decision: Decision) -> None:
        assert self._guard is not None
        self._hurry.cancel()
        budget = self._account.budget
        if not budget.admits(decision.episode):
            self._end(budget.spent)
            return
        command, cause = self._guard.allow(decision.command, decision.stamp_ns, budget.window.left_s)
        if not cause & (Cause.BAD_COMMAND | Cause.STALE_COMMAND):
            self._spoke_s = steady_s()
        self._send(decision.executed(command, cause), cause)

    def _mind_the_late(self) -> None:
        """A new state: brake if the executor is late, and soon if it does not answer where there is no room to wait.

        In simulated time, which waits for the executor, nothing is lost by waiting.
        """
        assert self._guard is not None
        self._brake(self._guard.overdue())
        if self._guard.hurries and not self._simulated:
            self._hurry.reset()

    def _brake_early(self) -> None:
        self._hurry.cancel()
        if self._guard is not None:
            self._brake(self._guard.overdue(ANSWER_SHARE * self.config.latency_s))

    def _brake(self, braked: tuple[NDArray[np.float64], Cause] | None) -> None:
        if braked is not None:
            self._send(_no_episode(self._latest_ns, *braked), braked[1])

    def _send_hold(self, cause: Cause, now_ns: int, stamp_ns: int | None = None) -> None:
        """One step of a stop at `now_ns`; recorded as the answer to the state of `stamp_ns`."""
        if self._guard is not None and self._guard.can_hold:
            stamp_ns = now_ns if stamp_ns is None else stamp_ns
            self._send(_no_episode(stamp_ns, self._guard.hold(now_ns), cause), cause)

    def _send(self, decision: Decision, cause: Cause) -> None:
        if not self.config.dry_run:
            self._commands.publish(messages.command_to_message(decision))
        self._executed.publish(messages.decision_to_message(decision))
        self._sent_s = steady_s()
        if cause:
            self._interventions.update(cause.names())

    def _distrust(self, fault: str, cause: Cause, stamp_ns: int) -> None:
        """Hold while joint states make no sense; if they go on like this, `_check` ends the window."""
        if self._guard is None:
            return
        self.fault = fault
        self.warn_once_a_second(f"holding: {fault}")
        self._send_hold(cause, self._now_ns, stamp_ns)

    def _end(self, reason: str, cause: Cause = Cause.NONE) -> None:
        self._reason, self._end_cause = self._reason or reason, cause
        self.trigger_deactivate()

    def _close(self, reason: str) -> None:
        """Bring the arm to rest, whatever else happens, and settle the account."""
        if self._guard is None:
            return
        self._reason = self._reason or reason
        now_ns, stamp_ns, cause = self._now_ns, self._latest_ns, self._end_cause
        for passed_ns in range(0, LONGEST_STOP_NS, self.spec.period_ns):
            self._send_hold(cause, now_ns + passed_ns, stamp_ns + passed_ns)
            if self._guard.at_rest or not self._guard.can_hold:
                break
            cause = Cause.NONE
            time.sleep(self.spec.period_s)
        self._guard = None
        self._hurry.cancel()
        self._account.settle()
        self._publish_state("closed")
        self.get_logger().info(f"window closed after {self._account.budget.window.used_s:.2f} s: {self._reason}")

    # Judgements

    def _require_order(self, names: Sequence[str]) -> None:
        """Raise TurnRlError when the joints no longer stand in the window's first order: two drivers, or a new one."""
        if self._names is None:
            self._names = list(names)
        elif names != self._names:
            raise TurnRlError(f"joint_states changed its joints from {', '.join(self._names)} to {', '.join(names)}")

    def _stood_still(self) -> bool:
        """Whether this process itself was stopped for a while: what waits for it then is of the past, so it ends.

        The arm was out of its hands meanwhile; a backlog of states and commands must not move it now.
        """
        now_s = steady_s()
        gap_s, self._awake_s = now_s - self._awake_s, now_s
        if gap_s >= self.config.state_timeout_s:
            self._end(f"the guard itself stood still for {gap_s:.1f} s")
            return True
        return False

    def _window_passed(self) -> bool:
        return self._account.budget.window.tick(self._latest_ns, time.monotonic_ns())

    @property
    def _simulated(self) -> bool:
        return bool(self.get_parameter("use_sim_time").value)

    @property
    def _now_ns(self) -> int:
        """Now, on the clock of the joint states, also while they do not come."""
        return self._latest_ns + round((steady_s() - self._good_s) * 1e9)

    @property
    def _patience_s(self) -> float:
        """Wall-clock silence of the arm before a hold. In simulated time a slow step is not silence."""
        silence_s = self.config.silence_periods * self.spec.period_s
        return self.config.state_timeout_s if self._simulated else silence_s

    # What it says

    def _facts(self) -> dict[str, Any]:
        return {
            "reason": self._reason,
            "fault": self.fault,
            **self._account.facts(),
            "until_ns": self._latest_ns,
            "interventions": dict(self._interventions),
            "dry_run": self.config.dry_run,
        }

    def _say_grant(self) -> None:
        """Between windows: who sets another grant, or re-arms the e-stop, hears how things stand."""
        if self._account.changed(self.config):
            self._account.look(self.config)
            self._publish_state("inactive")

    def _probe(self) -> None:
        """Between windows: let the collector hear that it would hear what is executed."""
        if steady_s() - self._sent_s >= PROBE_PERIOD_S:
            self._sent_s = steady_s()
            self._executed.publish(messages.decision_to_message(Decision.probe(len(self.spec.joint_names))))

    def _publish_state(self, phase: str) -> None:
        self._state.publish(messages.state_to_message({"phase": phase, **self._facts()}))

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        if self.fault or self._account.ledger.estop:
            return ERROR, f"holding: {self.fault or self._estop.fault}", self._facts()
        return OK, "window open" if self._guard else "closed", self._facts()


def _no_episode(stamp_ns: int, command: NDArray[np.float64], cause: Cause) -> Decision:
    return Decision(stamp_ns, NO_EPISODE, 0, 0, np.zeros(3), command, int(cause))


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `guard`."""
    return run_node(GuardNode, args)
