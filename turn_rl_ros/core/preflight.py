"""The pre-flight checklist: from facts about a graph to lines that say what is wrong and how to mend it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.config import param
from turn_rl_ros.core.description import disagreement
from turn_rl_ros.core.guard.budget import WEAR_SPENT
from turn_rl_ros.core.spec import TaskSpec

CREW = ("guard", "executor", "collector")
RATE_SLACK = 0.95
"""Joint states may come this much slower than the control rate asks for: a short look at them is not exact."""
LONGEST_GAP = 3.0
"""In control periods: after so long without a state the guard holds (its default)."""


@dataclass(frozen=True)
class PreflightConfig:
    """What the checklist asks for."""

    run_dir: str = param("runs/latest", "run directory: its policies are checked, preflight.json goes there")
    window_s: float = param(60.0, "length of the window, held against the free disk", unit="s", low=0.05, high=86400.0)
    watch_s: float = param(2.0, "how long joint states are watched", unit="s", low=0.2, high=60.0)
    patience_s: float = param(20.0, "failed lines are looked at again for so long", unit="s", low=0.0, high=600.0)
    description_topic: str = param("robot_description", "topic of the arm's URDF; empty: not compared with the task's")
    controller: str = param(
        "forward_velocity_controller", "controller that has to be active; empty: nobody is asked which one is"
    )
    clock_tolerance_s: float = param(
        0.05, "largest difference between a joint state's stamp and this computer's clock", unit="s", low=0.001, high=10
    )
    rest_speed: float = param(0.02, "an arm that moves no joint faster is at rest", unit="rad/s or m/s", low=0, high=1)
    dry_run: bool = param(False, "nothing is sent to the controller: it need not be active, nor alone")


@dataclass(frozen=True)
class Line:
    """One line of the checklist."""

    name: str
    ok: bool
    measured: str
    mend: str = ""
    """What to do; empty while it is well."""


@dataclass
class Facts:
    """What was seen. Empty or None: not seen."""

    stamps_ns: list[int] = field(default_factory=list)
    lags_s: list[float] = field(default_factory=list)
    """This computer's clock minus the stamp, a value a joint state."""
    names: Sequence[str] = ()
    position: NDArray[np.float64] | None = None
    velocity: NDArray[np.float64] | None = None
    state_fault: str = ""
    drivers: Sequence[str] = ()
    """Nodes that publish joint states."""
    description: str = ""
    command_topic: str = ""
    listeners: int = 0
    commanders: Sequence[str] = ()
    """Nodes that publish commands."""
    controllers: Mapping[str, str] | None = None
    crew: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The last word of guard, executor and collector."""
    disk_fault: str = ""
    disk: str = ""
    policy_fault: str = ""
    policy: str = ""


def checklist(facts: Facts, spec: TaskSpec, config: PreflightConfig) -> list[Line]:
    """Every line, passed or not, in the order in which to mend them."""
    return [
        *_arm(facts, spec, config),
        *_controller(facts, config),
        *_crew(facts),
        _line("disk", facts.disk_fault, facts.disk, "make room, or another run_dir"),
        _line("policy", facts.policy_fault, facts.policy, "train again for this task, or choose that policy's run"),
    ]


def _line(name: str, fault: str, measured: str, mend: str) -> Line:
    return Line(name, not fault, fault or measured, mend if fault else "")


def _arm(facts: Facts, spec: TaskSpec, config: PreflightConfig) -> Iterator[Line]:
    count = len(facts.stamps_ns)
    if count < 2 or facts.position is None or facts.velocity is None:
        fault = facts.state_fault or f"{count} in {config.watch_s:g} s"
        yield _line("joint states", fault, "", "start the arm's driver; namespace and ROS_DOMAIN_ID the same as here?")
        return
    rate_hz = (count - 1) * 1e9 / max(facts.stamps_ns[-1] - facts.stamps_ns[0], 1)
    gap_s = float(np.diff(facts.stamps_ns).max()) * 1e-9
    measured = f"{rate_hz:.1f} Hz, largest gap {gap_s * 1e3:.0f} ms"
    slow = rate_hz < RATE_SLACK * spec.rate_hz or gap_s > LONGEST_GAP * spec.period_s
    fault = f"{measured}; the task needs {spec.rate_hz:g} Hz" if slow else ""
    yield _line("joint states", fault, measured, "raise the broadcaster's update_rate, or lower rate:=")
    two = f"from {', '.join(facts.drivers)}" if len(facts.drivers) > 1 else ""
    yield _line("one driver", two, ", ".join(facts.drivers), "one arm a namespace: stop all but one")
    others = [name for name in facts.names if name not in spec.joint_names]
    beside = f", beside {', '.join(others)}" if others else ""
    known = f"{len(spec.joint_names)} joints{beside}"
    yield _line("joint names", facts.state_fault, known, "set task.joint_names to the robot's")
    yield _line("position", _outside(facts.position, spec), "within limits", "jog the arm back by hand")
    speed = float(np.abs(facts.velocity).max())
    moving = f"{speed:.3f} rad/s" if speed > config.rest_speed else ""
    yield _line("at rest", moving, f"{speed:.3f} rad/s", "wait until the arm stands, or stop who moves it")
    lag_s = float(np.median(facts.lags_s))
    off = f"{lag_s * 1e3:+.0f} ms" if abs(lag_s) > config.clock_tolerance_s else ""
    yield _line("clock in step", off, f"{lag_s * 1e3:+.1f} ms", "synchronise both computers (chrony or PTP)")
    if config.description_topic:
        silent = "" if facts.description else f"nothing on {config.description_topic}"
        fault = silent or disagreement(spec, facts.description)
        mend = "start robot_state_publisher" if silent else "set task.urdf to the robot's own, in a new run_dir"
        yield _line("robot description", fault, "the task's limits and geometry are the robot's, or tighter", mend)


def _outside(position: NDArray[np.float64], spec: TaskSpec) -> str:
    out = np.flatnonzero((position < spec.joint_low) | (position > spec.joint_high))
    if not out.size:
        return ""
    i = out[0]
    return f"{spec.joint_names[i]} is at {position[i]:.3f}, outside {spec.joint_low[i]:g} to {spec.joint_high[i]:g}"


def _controller(facts: Facts, config: PreflightConfig) -> Iterator[Line]:
    if config.dry_run:
        yield Line("controller", True, "dry run: nothing is sent")
        return
    deaf = "" if facts.listeners else f"nobody listens to {facts.command_topic}"
    load = f"load it: ros2 control load_controller --set-state inactive {config.controller or 'CONTROLLER'}"
    yield _line("controller listens", deaf, facts.command_topic, load)
    rivals = [name for name in facts.commanders if not name.endswith("/guard")]
    yield _line("guard alone commands", f"so does {', '.join(rivals)}" if rivals else "", "yes", "stop the other one")
    if not config.controller:
        return
    if facts.controllers is None:
        ask = "start it, or set preflight.controller to '' and look yourself: ros2 control list_controllers"
        yield Line("controller active", False, "no controller manager answers", ask)
        return
    state = facts.controllers.get(config.controller, "not loaded")
    active = [name for name, one in facts.controllers.items() if one == "active" and name != config.controller]
    instead = f"{config.controller} is {state}; active: {', '.join(active) or 'none'}" if state != "active" else ""
    switch = f"ros2 control switch_controllers --activate {config.controller} --deactivate {' '.join(active)}".rstrip()
    yield _line("controller active", instead, config.controller, switch)


def _crew(facts: Facts) -> Iterator[Line]:
    for name in CREW:
        said = facts.crew.get(name)
        fault = "not heard" if said is None else str(said.get("fault") or said.get("refused") or "")
        yield _line(name, fault, "up", f"start the {name}" if said is None else f"see the {name}'s log")
    guard = facts.crew.get("guard")
    if guard is None:
        return  # nobody knows
    service = f"{facts.command_topic.rsplit('/', 2)[0]}/guard/estop"
    again = f"release the button, then: ros2 service call {service} std_srvs/srv/SetBool '{{data: false}}'"
    yield _line("e-stop", f"latched: {guard['estop']}" if guard.get("estop") else "", "released", again)
    spent = str(guard.get("spent", ""))
    spent = spent if spent.startswith(WEAR_SPENT) else ""  # another window is the director's to grant
    yield _line("wear budget", spent, "left", "the arm's wear is used up: raise the guard's limit knowingly")
