"""From a stream of joint states and executed commands to transitions. Nothing is guessed: what is missing is dropped.

States and commands come on different topics, so they may come in any order; a joint state may come far more often than
a command. A command is paired with the state of the same stamp, and with the state that the next command answers.
"""

from bisect import bisect_left, insort
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.decision import NO_EPISODE, Decision
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import Task, make_task
from turn_rl_ros.core.transition import Transition

Array = NDArray[np.float64]

PATIENCE = 3
"""Control periods that a late message is waited for."""
STRETCH = 1.5
"""Two commands further apart than this many periods are not neighbours: the episode is cut between them."""


class Assembler:
    """Pairs states with executed commands. Feed it with `state` and `executed`, take rows from their return values.

    `dropped` counts, by reason, the commands that did not become a transition.
    """

    def __init__(self, spec: TaskSpec) -> None:
        self._task: Task = make_task(spec)
        self._period_ns = spec.period_ns
        self._states: dict[int, tuple[Array, Array]] = {}
        self._stamps: list[int] = []
        self._pending: list[tuple[int, Decision]] = []
        self._done_ns = -1
        self.dropped: Counter[str] = Counter()

    def state(self, position: Array, velocity: Array, stamp_ns: int) -> list[Transition]:
        """Take in a joint state; give the transitions that are now complete, oldest first."""
        if stamp_ns not in self._states:
            self._states[stamp_ns] = (position, velocity)
            insort(self._stamps, stamp_ns)
        return self._complete()

    def executed(self, decision: Decision) -> list[Transition]:
        """Take in a command as the guard sent it; give the transitions that are now complete, oldest first."""
        stamp = decision.stamp_ns
        if stamp <= self._done_ns or any(known == stamp for known, _ in self._pending):
            self.dropped["late_or_repeated_command"] += 1
            return []
        insort(self._pending, (stamp, decision), key=lambda pair: pair[0])
        return self._complete()

    def finish(self) -> list[Transition]:
        """The session is over: complete what can be, the last row as a cut; then the assembler is empty."""
        rows = self._complete(final=True)
        self._states.clear()
        self._stamps.clear()
        return rows

    def _complete(self, final: bool = False) -> list[Transition]:
        rows = []
        while self._pending:
            decision = self._pending[0][1]
            follower = self._pending[1][1] if len(self._pending) > 1 else None
            newest = self._stamps[-1] if self._stamps else 0
            overdue = final or newest > decision.stamp_ns + PATIENCE * self._period_ns
            row = self._pair(decision, follower, overdue)
            if row is None and not overdue:
                break
            self._pending.pop(0)
            self._done_ns = decision.stamp_ns
            if isinstance(row, Transition):
                rows.append(row)
            elif row:
                self.dropped[row] += 1
        self._forget()
        return rows

    def _pair(self, decision: Decision, follower: Decision | None, overdue: bool) -> Transition | str | None:
        """The transition of `decision`, why there is none ("" for a hold), or None while it may still come."""
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
        return self._transition(decision, state, self._states[next_ns], next_ns, truncated=not goes_on)

    def _nearest(self, wanted_ns: int) -> int:
        """Stamp of the state nearest to `wanted_ns`, within half a period; `wanted_ns` itself when there is none."""
        at = bisect_left(self._stamps, wanted_ns)
        near = [s for s in self._stamps[max(0, at - 1) : at + 1] if abs(s - wanted_ns) <= self._period_ns // 2]
        return min(near, key=lambda s: abs(s - wanted_ns), default=wanted_ns)

    def _transition(
        self, decision: Decision, state: tuple[Array, Array], after: tuple[Array, Array], next_ns: int, truncated: bool
    ) -> Transition:
        task, goal = self._task, decision.goal
        terminated = bool(task.terminated(after[0], goal))
        return Transition(
            observation=task.observe(*state, goal),
            action=task.executed_action(decision.command, state[0]),
            reward=float(task.reward(after[0], goal)),
            next_observation=task.observe(*after, goal),
            terminated=terminated,
            truncated=truncated and not terminated,
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

    def _forget(self) -> None:
        """Let go of states older than anything that may still need them."""
        oldest = self._pending[0][0] if self._pending else (self._stamps[-1] if self._stamps else 0)
        keep = bisect_left(self._stamps, oldest - (PATIENCE + 1) * self._period_ns)
        for stamp in self._stamps[:keep]:
            del self._states[stamp]
        del self._stamps[:keep]
