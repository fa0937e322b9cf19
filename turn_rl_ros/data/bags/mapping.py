"""What in a bag is the state, the command, the goal and an episode: a YAML file that a person reads and corrects."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from turn_rl_ros.core.config import from_mapping, param
from turn_rl_ros.core.errors import ConfigError

TIMES = ("header", "receive")


@dataclass(frozen=True)
class States:
    """Where joint states come from, `states:`."""

    topic: str = param("/joint_states", "sensor_msgs/JointState")
    joints: tuple[str, ...] = param(("",), "the bag's name of each joint of the task, in the task's order; empty: same")
    names: tuple[str, ...] = param(("",), "names of the values, in their order, where messages carry none")
    time: str = param("header", "stamp of a state: in its header, or when it was recorded", choices=TIMES)
    velocity: str = param("measured", "velocity: in the message, or difference of positions over time",
                          choices=("measured", "difference"))  # fmt: skip


@dataclass(frozen=True)
class Commands:
    """Where commands come from, `commands:`."""

    topic: str = param("", "Float64MultiArray, JointState, JointTrajectory or TwistStamped; empty: derived from states")
    kind: str = param(
        "velocity",
        "what its numbers are: joint velocities, joint positions, or a guard's records of all that it sent",
        choices=("velocity", "position", "guard"),
    )
    joints: tuple[str, ...] = param(("",), "as for states")
    names: tuple[str, ...] = param(("",), "as for states")
    time: str = param(
        "receive", "answers the state before its header's stamp, or the one recorded before it", choices=TIMES
    )


@dataclass(frozen=True)
class Goals:
    """Where goals come from, `goal:`."""

    source: str = param(
        "final",
        "topic; final: where the episode ended; future: copies of each episode, cut at a random step, that end there",
        choices=("topic", "final", "future"),
    )
    topic: str = param("", "PoseStamped, PointStamped, Pose or Point, in the frame of the arm's base")
    copies: int = param(4, "future: copies of each episode", low=1, high=100)


@dataclass(frozen=True)
class Episodes:
    """Where one episode ends and the next begins, `episodes:`; whatever comes first."""

    topic: str = param("", "each message on it begins an episode; its type does not matter")
    gap_s: float = param(1.0, "so long without a command ends an episode", unit="s", low=0.0, high=1e6)
    new_goal: bool = param(True, "another goal begins an episode")
    steps: int = param(0, "steps in an episode; 0: task.episode_steps", unit="steps", low=0, high=1_000_000)


@dataclass(frozen=True)
class Mapping:
    """A mapping file."""

    rate_hz: float = param(0.0, "control rate; 0: task.rate_hz", unit="Hz", low=0.0, high=1000.0)
    states: States = States()
    commands: Commands = Commands()
    goal: Goals = Goals()
    episodes: Episodes = Episodes()


SECTIONS: dict[str, Any] = {"states": States, "commands": Commands, "goal": Goals, "episodes": Episodes}


def read_mapping(path: Path) -> Mapping:
    """The mapping in a YAML file. Raises ConfigError that names the file, the section and the parameter."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the mapping {path}: {getattr(error, 'strerror', error)}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path} is no mapping: it has no states; `turn-rl bag mapping BAG` drafts one")
    sections = {name: tree.pop(name, None) or {} for name in SECTIONS}
    for name, values in sections.items():
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: {name} must hold parameters, not {values!r}")
    made = {name: from_mapping(kind, sections[name], f"{path}, {name}") for name, kind in SECTIONS.items()}
    if unknown := set(tree) - {"rate_hz"}:
        raise ConfigError(
            f"{path} has an unknown section {sorted(map(str, unknown))[0]!r}; known: rate_hz, {', '.join(SECTIONS)}"
        )
    rate = from_mapping(_Rate, tree, str(path)).rate_hz
    if made["goal"].source == "topic" and not made["goal"].topic and made["commands"].kind != "guard":
        raise ConfigError(f"{path}: goal.source is topic, so goal.topic must name it")
    return Mapping(rate, **made)


@dataclass(frozen=True)
class _Rate:
    rate_hz: float = param(0.0, "control rate; 0: task.rate_hz", unit="Hz", low=0.0, high=1000.0)


def mapping_text(mapping: Mapping, why: str = "") -> str:
    """The mapping as YAML with every parameter and what it means; `why` is put first, as a comment."""
    lines = [f"# {line}" for line in why.splitlines()]
    rate = fields(Mapping)[0]
    lines += _line(rate, mapping.rate_hz, "")
    for name, kind in SECTIONS.items():
        lines += ["", f"{name}:"]
        for item in fields(kind):
            lines += _line(item, getattr(getattr(mapping, name), item.name), "  ")
    return "\n".join(lines) + "\n"


def _line(item: Any, value: Any, indent: str) -> list[str]:
    plain = [one for one in value if one] if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=1000).strip().removesuffix("\n...").strip()
    unit, choices = item.metadata["unit"], item.metadata["choices"]
    about = item.metadata["description"] + (f" [{unit}]" if unit else "") + (f": {', '.join(choices)}" * bool(choices))
    return [f"{indent}# {about}", f"{indent}{item.name}: {text}"]
