"""A first mapping for a bag, from names, types and rates; a person corrects it."""

import math
from collections.abc import Sequence

from turn_rl_ros.core.decision import LAYOUT
from turn_rl_ros.data.bags.decode import GOALS, JOINT_STATE, NUMBERS, TRAJECTORY, TWIST
from turn_rl_ros.data.bags.errors import BagError
from turn_rl_ros.data.bags.inspect import COMMANDING, TopicFacts
from turn_rl_ros.data.bags.mapping import Commands, Goals, Mapping, States


def draft(found: Sequence[TopicFacts]) -> tuple[Mapping, str]:
    """A mapping that may work, and why each choice was made. Raises BagError where there is no joint state."""
    states = _states(found)
    commands = _commands(found, states)
    goals = [one for one in found if one.kind in GOALS and "goal" in one.name.lower() and one.messages]
    mapping, why = Mapping(), []
    named = tuple(f"joint_{n}" for n in range(1, states.values + 1))
    time = "header" if _stamped(states) else "receive"
    velocity = "measured" if states.has_velocity else "difference"
    why.append(f"states: {states.name} is the joint state topic with the most messages ({states.messages})")
    if not states.joints:
        why.append("names: the messages carry none; write the real ones, in the order of the values")
    why.append("joints: what the bag calls the joints of your task, in the task's order; correct them")
    states_of = States(states.name, states.joints or named, () if states.joints else named, time, velocity)
    commands_of, rate_hz = Commands(), states.rate_hz
    if commands is None:
        why.append("commands: none was found; actions are derived from the states")
    else:
        kind, rate_hz = _kind(commands), commands.rate_hz
        why.append(f"commands: {commands.name} ({commands.kind}), taken as {kind}; check that")
        header = commands.has_header and _stamped(commands) and time == "header"
        joints = commands.joints if commands.kind != TWIST else ()
        lacking = commands.kind == JOINT_STATE and not joints
        commands_of = Commands(
            commands.name, kind, joints or (named if lacking else ()), named if lacking else (),
            "header" if header else "receive",
        )  # fmt: skip
    goal = Goals("topic", goals[0].name) if goals else Goals()
    if commands_of.kind == "guard":
        goal = Goals("topic")
    rate = float(f"{rate_hz:.3g}") if math.isfinite(rate_hz) else 0.0
    why.append("rate_hz: as measured; 0 takes the rate of the task")
    return Mapping(rate, states_of, commands_of, goal, mapping.episodes), "\n".join(why)


def _states(found: Sequence[TopicFacts]) -> TopicFacts:
    states = [one for one in found if one.kind == JOINT_STATE and one.messages]
    if not states:
        raise BagError("no topic of the type sensor_msgs/msg/JointState has a message: no transition can come of it")
    return max(states, key=lambda one: (not COMMANDING.search(one.name), one.messages))


def _commands(found: Sequence[TopicFacts], states: TopicFacts) -> TopicFacts | None:
    able = [one for one in found if one.kind in (JOINT_STATE, NUMBERS, TRAJECTORY, TWIST)]
    able = [one for one in able if one.messages > 1 and one is not states]
    if guard := [one for one in able if one.label == LAYOUT]:
        return max(guard, key=lambda one: "executed" in one.name)
    able = [one for one in able if COMMANDING.search(one.name)]
    return max(able, key=lambda one: (one.kind != TWIST, one.messages), default=None)


def _kind(commands: TopicFacts) -> str:
    if commands.label == LAYOUT:
        return "guard"
    if commands.kind == TWIST or "velocit" in commands.name.lower():
        return "velocity"
    return "position"


def _stamped(facts: TopicFacts) -> bool:
    return not facts.zero_stamps and not facts.backward_stamps and facts.repeated_stamps < facts.messages / 10
