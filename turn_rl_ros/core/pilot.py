"""The pilot: episodes, goals and the way home. One call a tick, from a joint state to a decision."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.behaviour import HOMING, Behaviour
from turn_rl_ros.core.config import param
from turn_rl_ros.core.decision import NO_EPISODE, Decision
from turn_rl_ros.core.task import Task

Array = NDArray[np.float64]

HOMING_GAIN = 5.0
"""Proportional gain of the way home, 1/s: within a control period of 0.05 s a joint closes a quarter of the gap."""

BLOCKED_TICKS, ALONE_TICKS = 5, 10
"""On the way home: control periods without motion after which one joint tries alone, and for how many."""
STILL = 0.01
"""Share of the homing speed below which the arm stands."""


@dataclass(frozen=True)
class PilotConfig:
    """Parameters of the executor."""

    seed: int = param(0, "seed of goals and exploration", low=0, high=2**31 - 1)
    session: int = param(
        0, "number of the session in its run, mixed into the seed (the director sets it)", low=0, high=2**31 - 1
    )
    home_every: int = param(
        1, "go home before every n-th episode (0: carry on from where the arm is)", low=0, high=100000
    )
    homing: str = param(
        "guard",
        "who brings an arm under velocity control home: velocities through the guard, or the arm's home service",
        choices=("guard", "service"),
    )
    homing_speed: float = param(1.0, "largest joint speed on the way home", unit="rad/s or m/s", low=0.01, high=10.0)
    home_tolerance: float = param(0.05, "home is where every joint is this close", unit="rad or m", low=1e-4, high=1.0)


@dataclass
class Pilot:
    """Runs episodes over a task: home, goal, `episode_steps` actions, again.

    Under velocity control the way home is a proportional servo through the guard, recorded like any other episode.
    Where the guard lets the arm no further, as near the floor, its joints go one after the other until the way is free.
    Under position control, and where the configuration says so, the arm's own home service has to bring it there
    (`wants_home`); the pilot holds until it is there and the service is done (`home_busy`).
    """

    task: Task
    config: PilotConfig
    behaviour: Behaviour
    on_episode: Callable[[], Behaviour] | None = None
    """Called before an episode: the moment to change the policy. Gives the behaviour for it."""
    episode: int = -1
    goal: Array = field(default_factory=lambda: np.zeros(3))
    wants_home: bool = False
    """The arm's home service should be called; cleared on arrival."""
    home_busy: bool = False
    """The home service has the arm; said from outside."""
    _step: int = 0
    _episodes: int = 0
    _phase: str = "between"
    _before: Array | None = None
    """Joint position a tick ago, on the way home."""
    _still: int = 0
    _alone: int = -1
    """The joint that last went alone, and for how many more ticks it does."""
    _alone_left: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.config.seed, self.config.session])
        self._velocity = self.task.spec.command_interface == "velocity"
        self._servo = self._velocity and self.config.homing == "guard"

    def tick(self, position: Array, velocity: Array, stamp_ns: int) -> Decision:
        """The decision for one joint state, (n_joints,) each."""
        if self._phase == "between":
            self._start(position)
        if self._phase == "homing" and self._is_home(position) and not self._away:
            self._begin_episode()
        if self._phase == "homing":
            return self._go_home(position, stamp_ns)
        return self._act(position, velocity, stamp_ns)

    def hand_over(self, behaviour: Behaviour) -> None:
        """Let another behaviour act from the next tick on, also within an episode."""
        self.behaviour = behaviour
        behaviour.begin(max(self._episodes - 1, 0))

    def _start(self, position: Array) -> None:
        """Between two episodes: go home first, or begin at once."""
        self.goal = self.task.sample_goal(self._rng)
        every = self.config.home_every
        if self._away or (every and self._episodes % every == 0 and not self._is_home(position)):
            self._phase, self._step, self._before = "homing", 0, None
            self._still = self._alone_left = 0
            self.episode += 1
            self.wants_home = not self._servo
        else:
            self._begin_episode()

    def _begin_episode(self) -> None:
        if self.on_episode is not None:
            self.behaviour = self.on_episode()
        self.wants_home = False
        self._phase, self._step = "episode", 0
        self.episode += 1
        self._episodes += 1
        self.behaviour.begin(self._episodes - 1)

    @property
    def _away(self) -> bool:
        """Whether the home service has the arm, so that nobody hears what the pilot says."""
        return self.home_busy and not self._servo

    def _is_home(self, position: Array) -> bool:
        return bool(np.abs(position - self.task.home).max() <= self.config.home_tolerance)

    def _go_home(self, position: Array, stamp_ns: int) -> Decision:
        if not self._servo:
            hold = np.zeros_like(position) if self._velocity else position
            return Decision(stamp_ns, NO_EPISODE, 0, 0, self.goal, hold)
        speed = self.config.homing_speed
        command = np.clip(HOMING_GAIN * (self.task.home - position), -speed, speed)
        self._look_for_block(position)
        if self._alone_left:
            self._alone_left -= 1
            command = np.where(np.arange(len(command)) == self._alone, command, 0.0)
        self._step += 1
        return Decision(stamp_ns, self.episode, self._step - 1, HOMING, self.goal, command)

    def _look_for_block(self, position: Array) -> None:
        """Choose the next joint to go alone when the arm has not moved for a while."""
        least = STILL * self.config.homing_speed * self.task.spec.period_s
        moved = self._before is None or np.abs(position - self._before).max() > least
        self._before, self._still = position, 0 if moved else self._still + 1
        if self._still >= BLOCKED_TICKS:
            self._alone = (self._alone + 1) % len(position)
            self._still, self._alone_left = 0, ALONE_TICKS

    def _act(self, position: Array, velocity: Array, stamp_ns: int) -> Decision:
        observation = self.task.observe(position, velocity, self.goal)
        action, behaviour = self.behaviour.act(observation)
        command = self.task.command(action, position)
        self._step += 1
        if self._step == self.task.spec.episode_steps:
            self._phase = "between"
        return Decision(stamp_ns, self.episode, self._step - 1, behaviour, self.goal, command)


class Ticker:
    """Picks, from joint states of any rate, the one of each control tick, on the clock of their stamps."""

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._due_ns: int | None = None

    def due(self, stamp_ns: int) -> bool:
        """Whether the state of this stamp is the one to act on: the first at or after the due time.

        After a pause of more than two periods, or a backward jump, the schedule starts anew.
        """
        if self._due_ns is None or abs(stamp_ns - self._due_ns) > 2 * self._period_ns:
            self._due_ns = stamp_ns
        # Stamps carry rounding: a state that is due but for a hundredth of a period is the one.
        if stamp_ns < self._due_ns - self._period_ns // 100:
            return False
        self._due_ns += self._period_ns
        return True
