"""From a stream of joint states and executed commands to transitions. Nothing is guessed: what is missing is dropped.

States and commands come on different topics, so they may come in any order; a joint state may come far more often than
a command. A command is paired with the state of the same stamp, and with the state that the next command answers.
"""

from bisect import bisect_left, insort
from collections import Counter
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.decision import NO_EPISODE, PROBE_NS, Decision
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import Task, make_task
from turn_rl_ros.core.transition import Transition

Array = NDArray[np.float64]
_STAMP = itemgetter(0)

PATIENCE = 32
"""Control periods that a late message is waited for: a recorder on a busy machine reads one topic in bursts."""
KEPT = 64
"""States that are kept anyway: to look for old ones at each state would cost more than their memory."""
STRETCH = 1.5
"""Two commands further apart than this many periods are not neighbours: the episode is cut between them."""


class Pair(NamedTuple):
    """An executed command with the state that it answers and the one that it led to."""

    decision: Decision
    state: tuple[Array, Array]
    """Position (n_joints,) and velocity (n_joints,) at `decision.stamp_ns`."""
    after: tuple[Array, Array]
    next_ns: int
    """Stamp of `after`."""
    goes_on: bool
    """Whether the next command belongs to the same episode."""


class Pairing:
    """Pairs states with executed commands. Feed it with `state` and `executed`, take pairs from their return values.

    `dropped` counts, by reason, the commands that found no partner.
    """

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._states: dict[int, tuple[Array, Array]] = {}
        self._stamps: list[int] = []
        self._pending: list[tuple[int, Decision]] = []
        self._done_ns = -1
        self.dropped: Counter[str] = Counter()

    def state(self, position: Array, velocity: Array, stamp_ns: int) -> list[Pair]:
        """Take in a joint state; give the pairs that are now complete, oldest first."""
        if stamp_ns not in self._states:
            self._states[stamp_ns] = (position, velocity)
            insort(self._stamps, stamp_ns)
        return self._complete()

    def executed(self, decision: Decision) -> list[Pair]:
        """Take in a command as the guard sent it; give the pairs that are now complete, oldest first."""
        stamp, pending = decision.stamp_ns, self._pending
        if stamp == PROBE_NS:
            return []
        if stamp <= self._done_ns or (pending and stamp <= pending[-1][0] and stamp in map(_STAMP, pending)):
            self.dropped["late_or_repeated_command"] += 1
            return []
        if not pending or stamp > pending[-1][0]:
            pending.append((stamp, decision))
        else:
            insort(pending, (stamp, decision), key=_STAMP)
        return self._complete()

    def finish(self) -> list[Pair]:
        """The session is over: complete what can be, the last pair as a cut; then nothing is left."""
        pairs = self._complete(final=True)
        self._states.clear()
        self._stamps.clear()
        return pairs

    def _complete(self, final: bool = False) -> list[Pair]:
        pairs = []
        newest, patience_ns = self._stamps[-1] if self._stamps else 0, PATIENCE * self._period_ns
        while self._pending:
            decision = self._pending[0][1]
            follower = self._pending[1][1] if len(self._pending) > 1 else None
            overdue = final or newest > decision.stamp_ns + patience_ns
            if follower is None and not overdue:
                break  # its neighbour may still come
            pair = self._pair(decision, follower, overdue)
            if pair is None and not overdue:
                break
            self._pending.pop(0)
            self._done_ns = decision.stamp_ns
            if isinstance(pair, Pair):
                pairs.append(pair)
            elif pair:
                self.dropped[pair] += 1
        if len(self._stamps) >= KEPT:
            self._forget()
        return pairs

    def _pair(self, decision: Decision, follower: Decision | None, overdue: bool) -> Pair | str | None:
        """The pair of `decision`, why there is none ("" for a hold), or None while it may still come."""
        if decision.episode == NO_EPISODE:
            return ""
        state = self._states.get(decision.stamp_ns)
        if state is None:
            return "lost_state" if overdue else None
        if follower is not None and follower.stamp_ns - decision.stamp_ns > STRETCH * self._period_ns:
            follower = None
        if follower is None and not overdue:
            return None
        next_ns = follower.stamp_ns if follower else self._nearest(decision.stamp_ns + self._period_ns)
        if next_ns not in self._states:
            return "lost_next_state" if overdue else None
        goes_on = follower is not None and follower.episode == decision.episode
        return Pair(decision, state, self._states[next_ns], next_ns, goes_on)

    def _nearest(self, wanted_ns: int) -> int:
        """Stamp of the state nearest to `wanted_ns`, within half a period; `wanted_ns` itself when there is none."""
        at = bisect_left(self._stamps, wanted_ns)
        near = [s for s in self._stamps[max(0, at - 1) : at + 1] if abs(s - wanted_ns) <= self._period_ns // 2]
        return min(near, key=lambda s: abs(s - wanted_ns), default=wanted_ns)

    def _forget(self) -> None:
        """Let go of states older than anything that may still need them."""
        oldest = self._pending[0][0] if self._pending else (self._stamps[-1] if self._stamps else 0)
        keep = bisect_left(self._stamps, oldest - (PATIENCE + 1) * self._period_ns)
        for stamp in self._stamps[:keep]:
            del self._states[stamp]
        del self._stamps[:keep]


class Assembler:
    """What `Pairing` pairs, as transitions of a task: the same calls, the same counts."""

    def __init__(self, spec: TaskSpec) -> None:
        self._task: Task = make_task(spec)
        self._pairing = Pairing(spec.period_ns)
        self.dropped = self._pairing.dropped

    def state(self, position: Array, velocity: Array, stamp_ns: int) -> list[Transition]:
        """Take in a joint state; give the transitions that are now complete, oldest first."""
        return [self._transition(*pair) for pair in self._pairing.state(position, velocity, stamp_ns)]

    def executed(self, decision: Decision) -> list[Transition]:
        """Take in a command as the guard sent it; give the transitions that are now complete, oldest first."""
        return [self._transition(*pair) for pair in self._pairing.executed(decision)]

    def finish(self) -> list[Transition]:
        """The session is over: complete what can be, the last row as a cut; then the assembler is empty."""
        return [self._transition(*pair) for pair in self._pairing.finish()]

    def _transition(
        self, decision: Decision, state: tuple[Array, Array], after: tuple[Array, Array], next_ns: int, goes_on: bool
    ) -> Transition:
        task, goal = self._task, decision.goal
        terminated = bool(task.terminated(after[0], goal))
        return Transition(
            observation=task.observe(*state, goal),
            action=task.executed_action(decision.command, state[0]),
            reward=float(task.reward(after[0], goal)),
            next_observation=task.observe(*after, goal),
            terminated=terminated,
            truncated=not goes_on and not terminated,
            joint_position=state[0],
            joint_velocity=state[1],
            next_joint_position=after[0],
            next_joint_velocity=after[1],
            goal=goal,
            stamp_ns=decision.stamp_ns,
            next_stamp_ns=next_ns,
            episode=decision.episode,
            step=decision.step,
            behaviour=decision.behaviour,
            intervention=decision.intervention,
            command=decision.command,
        )
