"""Executor: policy to command. Swaps policies between two ticks, and goes back where a new one is worse."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.subscription import Subscription
from std_msgs.msg import String
from std_srvs.srv import Trigger

from turn_rl_ros.core.artifact import Artifact
from turn_rl_ros.core.behaviour import Behaviour, make_behaviour
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.pilot import Pilot, PilotConfig, Ticker
from turn_rl_ros.core.rollback import Returns, Trial, TrialConfig
from turn_rl_ros.core.task import make_task
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import OK, WARN, SessionNode
from turn_rl_ros.nodes.delivery import Delivery, DeliveryConfig
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.spin import run_node
from turn_rl_ros.nodes.wire import JointNumbers, Numbers

HOME_RETRY_NS = 1_000_000_000
"""Longer than a way home that has just been asked for takes to begin."""


class Executor(SessionNode):
    """Active: answers one joint state a control period with one decision. Inactive: silent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("executor", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, PilotConfig)
        self._behaviour_config = declare(self, BehaviourConfig, "behaviour.")
        self._trial_config = declare(self, TrialConfig)
        delivery = declare(self, DeliveryConfig)
        refuse_unknown(self)
        follow_changes(self)
        self._task = make_task(self.spec)
        self._reader = messages.JointStateReader(self.spec.joint_names)
        self._ticker = Ticker(self.spec.period_ns)
        self._delivery = Delivery(self, self.spec, delivery, self._on_change)
        self._swap_at_once = delivery.swap == "tick"
        self._pilot: Pilot | None = None
        self._acting: Artifact | None = None
        self._driver: Artifact | None = None
        """Whose episode it is; it may end in the tick in which another takes over."""
        self._returns = Returns(self._task)
        self._earned: list[float] = []
        """Returns of the episodes that `_driver` drove in this window."""
        self._trial: Trial | None = None
        self._on_trial = ""
        """sha256 of the policy that `_trial` is about, or that is past it."""
        self._watched: Subscription | None = None
        self._goal: NDArray[np.float64] | None = None
        self._proposed = topics.publish_on(self, topics.PROPOSED)
        self._goals = topics.publish_on(self, topics.GOAL)
        self._state = topics.publish_on(self, topics.EXECUTOR_STATE)
        self._home = self.create_client(Trigger, topics.HOME_SERVICE)
        self._ask_home_ns = 0
        self._home_busy = False
        self._open = False
        """Whether the guard's window is open: what is proposed before would be part of no session."""
        topics.listen_to(self, topics.JOINT_STATES, self._on_state)
        topics.listen_to(self, topics.POLICY, self._delivery.take)
        topics.listen_to(self, topics.GUARD_STATE, self._on_guard)
        topics.listen_to(self, topics.HOMING_STATE, self._on_homing)
        self.create_service(Trigger, topics.ROLLBACK_SERVICE, self._on_rollback)
        self._publish_state()
        self.start_diagnostics()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open: a pilot of its own for each session, so that goals depend on the seed and the session alone."""
        self.fault = self.unwired(guard=self._proposed)
        self._publish_state()  # also that a refusal of before is over: the pre-flight check reads the last word
        if self.fault:
            return TransitionCallbackReturn.FAILURE
        self._ask_home_ns = 0
        self._returns = Returns(self._task)
        behaviour = self._new_behaviour()
        self._pilot = Pilot(self._task, self.config, behaviour, on_episode=self._refresh, home_busy=self._home_busy)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close: fall silent; the guard holds."""
        self._pilot = None
        self._note_acted()
        return super().on_deactivate(state)

    def close(self) -> None:
        """Let the history of policies be written."""
        self._note_acted()
        self._delivery.close()

    def _on_state(self, message: JointNumbers) -> None:
        try:
            position, velocity, stamp = self.read_state(message)
        except TurnRlError as error:
            self.warn_once_a_second(f"silent: {error}")
            return
        if self._pilot is None or not self._open or not self._ticker.due(stamp):
            return
        decision = self._pilot.tick(position, velocity, stamp)
        if self._pilot.goal is not self._goal:  # first, so that a recording has it before the command that seeks it
            self._goal = self._pilot.goal
            self._goals.publish(messages.goal_to_message(self._goal, stamp, "base"))
        self._proposed.publish(messages.decision_to_message(decision))
        if self._pilot.wants_home:
            self._ask_home(stamp)
        earned = self._returns.tick(position, decision)
        if earned is not None:
            self._on_episode(earned)
        if self._driver is not self._acting:
            self._note_acted()
            self._driver = self._acting

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

    def _on_change(self) -> None:
        """Another policy stands ready, or one was refused."""
        if self._swap_at_once and self._pilot is not None and self._delivery.standing.acting is not self._acting:
            self._returns = Returns(self._task)  # an episode of two policies is nobody's
            self._pilot.hand_over(self._new_behaviour())
        self._publish_state()

    def _on_rollback(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._delivery.roll_back("asked for")
        response.message = self._delivery.story if response.success else "random behaviour acts: nothing to go back to"
        return response

    def _on_episode(self, earned: float) -> None:
        """An episode of `_driver` ended: hold the policy against the one before."""
        if self._driver is None:
            return
        self._earned.append(earned)
        if self._trial is None or self._driver.sha256 != self._on_trial:
            return
        reason = self._trial.episode(earned)
        if self._trial.over:
            self._end_trial()
            if not reason:
                self._delivery.note("passed", self._driver)
            elif self._delivery.standing.acting is self._driver:
                self._delivery.roll_back(reason)
            self._publish_state()

    def _begin_trial(self) -> None:
        """Of the policy that acts, unless it had one; it goes on through later windows."""
        standing, sha256 = self._delivery.standing, self._acting.sha256 if self._acting else ""
        if sha256 == self._on_trial:
            return
        self._end_trial()
        self._on_trial = sha256
        if sha256 and not standing.judged and self._trial_config.trial_episodes:
            self._trial = Trial(self._trial_config, standing.returns_before)
            self._watched = topics.listen_to(self, topics.EXECUTED, self._on_executed)

    def _end_trial(self) -> None:
        self._trial = None
        if self._watched is not None:
            self.destroy_subscription(self._watched)
            self._watched = None

    def _on_executed(self, message: Numbers) -> None:
        if self._trial is not None:
            self._trial.executed(messages.message_to_decision(message))

    def _note_acted(self) -> None:
        if self._driver is not None and self._earned:
            self._delivery.note("acted", self._driver, session=self.config.session, returns=self._earned)
        self._earned = []

    def _on_guard(self, message: String) -> None:
        phase = messages.message_to_state(message).get("phase")
        self._open = phase == "open"
        if self._pilot is not None and phase == "closed":
            self.trigger_deactivate()

    def _on_homing(self, message: String) -> None:
        self._home_busy = bool(messages.message_to_state(message).get("homing"))
        if self._pilot is not None:
            self._pilot.home_busy = self._home_busy

    def _refresh(self) -> Behaviour:
        """Between two episodes: take up a policy that came in meanwhile."""
        assert self._pilot is not None
        return self._pilot.behaviour if self._delivery.standing.acting is self._acting else self._new_behaviour()

    def _new_behaviour(self) -> Behaviour:
        artifact = self._acting = self._delivery.standing.acting
        self._begin_trial()
        turn = artifact.turn if artifact else 0
        rng = np.random.default_rng([self.config.seed, self.config.session, turn])
        return make_behaviour(self._task, self._behaviour_config, artifact.policy if artifact else None, rng)

    def _publish_state(self) -> None:
        self._state.publish(messages.state_to_message(self._facts()))

    def _facts(self) -> Mapping[str, Any]:
        delivery, artifact = self._delivery, self._delivery.standing.acting
        return {
            "turn": artifact.turn if artifact else 0,
            "policy_sha256": artifact.sha256 if artifact else "",
            "algorithm": artifact.metadata.get("algorithm", "") if artifact else "random",
            "refused": delivery.refusal,
            "rolled_back": delivery.story,
            "withdrawn": list(delivery.standing.withdrawn),
            "trial_episodes": len(self._trial.returns) if self._trial else 0,
            "fault": self.fault,
        }

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        trouble = self._delivery.refusal or self._delivery.story
        return (WARN if trouble else OK), trouble or ("acting" if self._pilot else "silent"), self._facts()


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `executor`."""
    return run_node(Executor, args)
