"""From the messages of a bag to pairs of states and commands, by the same pairing as in a live session."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.assembler import Pair, Pairing
from turn_rl_ros.core.decision import Decision
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import make_task
from turn_rl_ros.data.bags.bounds import Bounds
from turn_rl_ros.data.bags.commands import OUT_OF_ORDER, Answer, source
from turn_rl_ros.data.bags.cuts import Cuts
from turn_rl_ros.data.bags.decode import GOALS, JOINT_STATE, NUMBERS, TRAJECTORY, TWIST, Malformed, goal_reader
from turn_rl_ros.data.bags.errors import BagError, Faults
from turn_rl_ros.data.bags.mapping import Mapping
from turn_rl_ros.data.bags.reader import Message
from turn_rl_ros.data.bags.states import StateReader
from turn_rl_ros.data.exchange.imports import UNKNOWN

Array = NDArray[np.float64]
Take = Callable[[Message], list[Pair]]


class Feed:
    """Takes the messages of a bag in their order and gives the pairs that they complete.

    `faults` counts what was found wrong, `dropped` what the pairing left out for want of a partner.
    """

    def __init__(self, spec: TaskSpec, mapping: Mapping, topics: dict[str, str]) -> None:
        """Check that the bag has what the mapping names. `topics`: type of each. Raises BagError."""
        self.faults, self._mapping = Faults(), mapping
        self.dropped: Counter[str] = Counter()
        _require("states", mapping.states.topic, topics, (JOINT_STATE,))
        self._states = StateReader(spec, mapping.states)
        self._takes: dict[str, Take] = {mapping.states.topic: self._state}
        commands = mapping.commands
        if commands.topic:
            kinds = (NUMBERS,) if commands.kind == "guard" else (NUMBERS, JOINT_STATE, TRAJECTORY, TWIST)
            _require("commands", commands.topic, topics, kinds)
            if commands.time == "header" and topics[commands.topic] == NUMBERS:
                raise BagError(f"{commands.topic} has no headers; write `time: receive` for commands in the mapping")
            self._add(commands.topic, self._command)
        self._commands = source(spec, commands, topics, (mapping.states.topic, mapping.states.time), self.faults)
        task = make_task(spec)
        self._bounds = Bounds(spec)
        # Stands for a goal that only the end of an episode tells.
        self._goal: Array | None = task.achieved_goal(task.home)
        if mapping.goal.source == "topic" and mapping.goal.topic:
            _require("goal", mapping.goal.topic, topics, GOALS)
            self._goal = None
            self._read_goal = goal_reader(topics[mapping.goal.topic])
            self._add(mapping.goal.topic, self._on_goal)
        if mapping.episodes.topic:
            _require("episodes", mapping.episodes.topic, topics, ())
            self._add(mapping.episodes.topic, self._on_episode)
        self._cuts, self._period_ns = Cuts(mapping.episodes, spec), spec.period_ns
        self._topic = commands.topic or mapping.states.topic
        self._pairing = Pairing(spec.period_ns)
        self._latest_ns = 0

    @property
    def topics(self) -> Collection[str]:
        """What it takes."""
        return self._takes.keys()

    def take(self, message: Message) -> list[Pair]:
        """Take in a message; a faulty one is counted and completes nothing."""
        topic = message.topic
        self.faults.messages[topic] = message.number
        try:
            return self._takes[topic](message)
        except TurnRlError as error:
            cause = error.cause if isinstance(error, Malformed) else "malformed"
            self.faults.note(cause, topic, message.number, str(error))
            return []

    def finish(self) -> list[Pair]:
        """The recording is over: complete what can be."""
        return self._seam(0)

    def _add(self, topic: str, take: Take) -> None:
        """One topic may be several things, such as goal and beginning of an episode."""
        other = self._takes.get(topic)
        self._takes[topic] = take if other is None else lambda message: [*other(message), *take(message)]

    def _state(self, message: Message) -> list[Pair]:
        state = self._states.read(message)
        pairs: list[Pair] = []
        if wrong := self._states.follow(state):
            back = state.stamp_ns < self._latest_ns
            if not back or self._latest_ns - state.stamp_ns > OUT_OF_ORDER * self._period_ns:
                self.faults.note("clock_back" if back else "jump", message.topic, message.number, wrong)
                pairs += self._seam(message.number)
        self._latest_ns = state.stamp_ns
        pairs += self._pairing.state(state.position, state.velocity, state.stamp_ns)
        answers = self._commands.seen(state, message.number)
        return pairs + self._decide(answers) if answers else pairs

    def _command(self, message: Message) -> list[Pair]:
        return self._decide(self._commands.heard(message))

    def _on_goal(self, message: Message) -> list[Pair]:
        self._goal = self._read_goal(message.raw)
        return []

    def _on_episode(self, message: Message) -> list[Pair]:
        self._cuts.begin(pause=True)
        return []

    def _decide(self, answers: Iterable[Answer | Decision]) -> list[Pair]:
        pairs: list[Pair] = []
        for answer in answers:
            decision = answer if isinstance(answer, Decision) else self._decision(answer)
            if decision is not None:
                pairs += self._pairing.executed(decision)
        return pairs

    def _decision(self, answer: Answer) -> Decision | None:
        """What the executor and the guard would have said."""
        state, cause, told = answer.state, "", ""
        if self._goal is None:
            cause, told = "no_goal", f"no goal came before it on {self._mapping.goal.topic}"
        elif told := self._bounds.outside(answer):
            cause = "outside_bounds"
        if cause or self._goal is None:
            self.faults.note(cause, self._topic, answer.number, told)
            return None
        episode, step, gap_s = self._cuts.place(state.stamp_ns, self._goal)
        if gap_s:
            told = f"{gap_s:.1f} s without a usable command before it; the episode ends there"
            self.faults.note("command_gap", self._topic, answer.number, told, size=gap_s)
        return Decision(state.stamp_ns, episode, step, UNKNOWN, self._goal, answer.command)

    def _seam(self, number: int) -> list[Pair]:
        """Nothing before continues after: complete what can be, and begin anew."""
        pairs = self._decide(self._commands.flush()) + self._pairing.finish()
        self.dropped += self._pairing.dropped
        self._pairing = Pairing(self._period_ns)
        self._cuts.begin()
        return pairs


def _require(what: str, topic: str, topics: dict[str, str], kinds: tuple[str, ...]) -> None:
    if topic not in topics:
        raise BagError(f"the bag has no topic {topic!r} for {what}; it has {', '.join(sorted(topics)) or 'no topics'}")
    if kinds and topics[topic] not in kinds:
        raise BagError(f"{topic} has the type {topics[topic]}; {what} can be read from {', '.join(kinds)}")
