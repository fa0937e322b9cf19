"""A session in process: the same pilot and the same assembler as over ROS, without a wire in between."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.assembler import Assembler
from turn_rl_ros.core.behaviour import Behaviour
from turn_rl_ros.core.guard.guard import Guard
from turn_rl_ros.core.pilot import Pilot, PilotConfig
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.task import Task
from turn_rl_ros.core.transition import Transition

Array = NDArray[np.float64]


class Arm(Protocol):
    """The part of `sim.arm.SimArm` that a session needs."""

    def reset(self, joint_position: Array | None = None) -> None:
        """Put the arm somewhere at rest; None: home."""
        ...

    def step(self, command: Array, interface: str, period_s: float) -> None:
        """Obey a command (n_joints,) for one control period."""
        ...

    def state(self) -> tuple[Array, Array, Array]:
        """Joint position, velocity and effort, (n_joints,) each."""
        ...


class Env(Protocol):
    """The part of `sim.env.ArmEnv` that a session needs."""

    task_spec: TaskSpec
    task: Task
    arm: Arm


def run_session(
    env: Env, behaviour: Behaviour, steps: int, config: PilotConfig | None = None, guard: Guard | None = None
) -> list[Transition]:
    """Record `steps` control periods, from home, as an executor and a collector would.

    Args:
        env: the simulated arm and its task.
        behaviour: chooses the actions.
        steps: the budget in ticks; the way home counts.
        config: seed of the goals, and whether and how fast to go home between episodes.
        guard: limits every command; without one, velocities are clipped to the robot's own limits.

    Returns:
        Fewer than `steps` transitions where the arm's own home service moved it: those ticks are no one's choice.
    """
    spec, arm = env.task_spec, env.arm
    pilot = Pilot(env.task, config or PilotConfig(), behaviour)
    assembler = Assembler(spec)
    limit = np.array(spec.joint_velocity)
    rows: list[Transition] = []
    arm.reset()
    for tick in range(steps + 1):
        stamp_ns = tick * spec.period_ns
        position, velocity, _ = arm.state()
        rows += assembler.state(position, velocity, stamp_ns)
        if tick == steps:
            break
        decision = pilot.tick(position, velocity, stamp_ns)
        if guard is not None:
            guard.observe(position, velocity, stamp_ns)
            decision = decision.executed(*guard.allow(decision.command, stamp_ns, (steps - tick) * spec.period_s))
        elif spec.command_interface == "velocity":
            decision = decision.executed(np.clip(decision.command, -limit, limit), 0)
        rows += assembler.executed(decision)
        if pilot.wants_home:
            arm.reset()
        else:
            arm.step(decision.command, spec.command_interface, spec.period_s)
    return rows + assembler.finish()
