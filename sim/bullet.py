"""Serial arms whose URDF pybullet_data ships, in PyBullet. The only file that imports PyBullet."""

from collections import deque
from functools import cache
from pathlib import Path

import numpy as np
import pybullet
import pybullet_data

from sim.arm import Array
from turn_rl_ros.core.door import Disturbance
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.robot import urdf_hash
from turn_rl_ros.core.spec import TaskSpec

ROBOTS = {
    "pybullet_data:franka_panda/panda.urdf": Path(pybullet_data.getDataPath()) / "franka_panda" / "panda.urdf",
    "pybullet_data:kuka_iiwa/model.urdf": Path(pybullet_data.getDataPath()) / "kuka_iiwa" / "model.urdf",
    "sim:robots/ur10.urdf": Path(__file__).parent / "robots" / "ur10.urdf",
}
"""Which arms there are: what `task.urdf` calls their description, and its file."""

PHYSICS_HZ = 240.0
"""PyBullet's default rate: a control period is cut into the nearest whole number of such steps."""

_MODES = {"velocity": pybullet.VELOCITY_CONTROL, "position": pybullet.POSITION_CONTROL}

_POSITION, _VELOCITY, _EFFORT = 0, 1, 3
"""Fields of getJointStates."""
_NAME, _TYPE, _MAX_FORCE = 1, 2, 10
"""Fields of getJointInfo."""


class PyBulletArm:
    """The arm of a task spec on a fixed base, in a DIRECT client of its own; nothing is drawn.

    There is no gravity: the real arm's controller compensates it below the command interface, so that the motion is the
    same and effort is what the joint gives beyond it (measured: 1.5 times the steps per second). What else the URDF
    moves, such as fingers, is held where it is. An obstacle of the task is a box that nothing moves.
    """

    interfaces: tuple[str, ...] = tuple(_MODES)

    def __init__(self, spec: TaskSpec, disturbance: Disturbance | None = None) -> None:
        """Load the arm, changed by `disturbance`, and put it at home.

        Raises TurnRlError when no arm here is the one that the spec describes.
        """
        self._disturbance = disturbance or Disturbance()
        self._on_the_way: deque[tuple[Array, str]] = deque()
        urdf = _urdf_of(spec.details["robot_description_sha256"])
        self.joint_names = spec.joint_names
        self.home = np.array(spec.details["home"])
        self._max_velocity = np.array(spec.joint_velocity)
        self._client = pybullet.connect(pybullet.DIRECT)
        self._body = pybullet.loadURDF(str(urdf), useFixedBase=True, physicsClientId=self._client)
        infos = [pybullet.getJointInfo(self._body, i, physicsClientId=self._client) for i in range(self._n_links())]
        index = {info[_NAME].decode(): i for i, info in enumerate(infos)}
        try:
            self._joints = [_find(index, name) for name in spec.joint_names]
        except TurnRlError:
            self.close()
            raise
        self._forces = [infos[i][_MAX_FORCE] * self._disturbance.torque_scale for i in self._joints]
        self._change_dynamics()
        self._stepping = (0.0, 0)
        for i, info in enumerate(infos):
            if i not in self._joints and info[_TYPE] != pybullet.JOINT_FIXED:
                self._hold(i, info[_MAX_FORCE])
        self._obstacle = self._place(spec.details["obstacle"]) if "obstacle" in spec.details else None
        self._fresh = pybullet.saveState(physicsClientId=self._client)
        self.reset()

    def reset(self, joint_position: Array | None = None, seed: int | None = None) -> None:
        """At rest at `joint_position` (n,) rad, or at home. `seed` is unused: the physics has no randomness."""
        # Without this the solver's memory of the last episode leaks into the next: about 1e-4 rad.
        pybullet.restoreState(self._fresh, physicsClientId=self._client)
        still = (np.zeros(len(self._joints)), "velocity")
        self._on_the_way = deque([still] * self._disturbance.latency_steps)
        for joint, angle in zip(self._joints, self.home if joint_position is None else joint_position, strict=True):
            pybullet.resetJointState(self._body, joint, float(angle), 0.0, physicsClientId=self._client)
        self._read()

    def step(self, command: Array, interface: str, period_s: float) -> None:
        """Obey `command` (n,), rad/s or rad, with at most the URDF's torques."""
        if interface not in _MODES:
            raise TurnRlError(f"a simulated arm takes velocity or position commands, not {interface!r}")
        self._on_the_way.append((np.array(command, dtype=np.float64), interface))
        target, interface = self._on_the_way.popleft()
        if interface == "velocity":
            target = target * self._disturbance.velocity_gain
        else:
            reach = self._max_velocity * period_s  # a far target is approached at the joint's top speed
            target = np.clip(target, self._position - reach, self._position + reach)
        pybullet.setJointMotorControlArray(
            self._body,
            self._joints,
            _MODES[interface],
            forces=self._forces,
            physicsClientId=self._client,
            **{"targetVelocities" if interface == "velocity" else "targetPositions": target.tolist()},
        )
        for _ in range(self._substeps(period_s)):
            pybullet.stepSimulation(physicsClientId=self._client)
        self._read()

    def state(self) -> tuple[Array, Array, Array]:
        """Joint position, velocity and effort now, (n,) each; read once a step."""
        return self._position.copy(), self._velocity.copy(), self._effort.copy()

    def homing_s(self, speed: float) -> float:
        """Seconds to home from here, with the slowest joint at `speed` rad/s."""
        return float(np.abs(self.home - self._position).max()) / speed

    def link_position(self, joint_name: str) -> Array:
        """Origin of the link that `joint_name` moves or fixes, (3,) metres in the base frame, as PyBullet has it."""
        infos = [pybullet.getJointInfo(self._body, i, physicsClientId=self._client) for i in range(self._n_links())]
        link = next(i for i, info in enumerate(infos) if info[_NAME].decode() == joint_name)
        state = pybullet.getLinkState(self._body, link, computeForwardKinematics=True, physicsClientId=self._client)
        return np.array(state[4])

    def touches(self) -> bool:
        """Whether a part of the arm is in the obstacle, or against it, where the arm is now."""
        if self._obstacle is None:
            return False
        return bool(pybullet.getClosestPoints(self._body, self._obstacle, 0.0, physicsClientId=self._client))

    def close(self) -> None:
        """Disconnect; a second call does nothing."""
        if self._client >= 0:
            pybullet.disconnect(self._client)
            self._client = -1

    def _change_dynamics(self) -> None:
        """Other masses and more friction, where the disturbance says so."""
        scale, damping = self._disturbance.mass_scale, self._disturbance.joint_damping
        for link in range(-1, self._n_links()) if scale != 1.0 else ():
            mass, _, inertia, *_ = pybullet.getDynamicsInfo(self._body, link, physicsClientId=self._client)
            heavy = {"mass": mass * scale, "localInertiaDiagonal": [one * scale for one in inertia]}
            pybullet.changeDynamics(self._body, link, **heavy, physicsClientId=self._client)
        for joint in self._joints if damping else ():
            pybullet.changeDynamics(self._body, joint, jointDamping=damping, physicsClientId=self._client)

    def _n_links(self) -> int:
        return pybullet.getNumJoints(self._body, physicsClientId=self._client)

    def _hold(self, joint: int, force: float) -> None:
        pybullet.setJointMotorControl2(
            self._body, joint, pybullet.POSITION_CONTROL, targetPosition=0.0, force=force, physicsClientId=self._client
        )

    def _place(self, obstacle: dict[str, list[float]]) -> int:
        """Put the box into the world."""
        low, high = np.array(obstacle["low"]), np.array(obstacle["high"])
        half = ((high - low) / 2).tolist()
        shape = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half, physicsClientId=self._client)
        middle = ((low + high) / 2).tolist()
        return pybullet.createMultiBody(0.0, shape, basePosition=middle, physicsClientId=self._client)

    def _substeps(self, period_s: float) -> int:
        """How many physics steps make up the period; sets their length so that they fill it exactly."""
        if self._stepping[0] != period_s:
            count = max(1, round(period_s * PHYSICS_HZ))
            pybullet.setTimeStep(period_s / count, physicsClientId=self._client)
            self._stepping = (period_s, count)
        return self._stepping[1]

    def _read(self) -> None:
        states = pybullet.getJointStates(self._body, self._joints, physicsClientId=self._client)
        self._position = np.array([state[_POSITION] for state in states])
        self._velocity = np.array([state[_VELOCITY] for state in states])
        self._effort = np.array([state[_EFFORT] for state in states])


@cache
def _urdf_of(sha256: str) -> Path:
    """The description with this hash. Raises TurnRlError."""
    for path in ROBOTS.values():
        if urdf_hash(path.read_text(encoding="utf-8")) == sha256:
            return path
    raise TurnRlError(f"task.urdf is not a simulated arm; in simulation, set it to one of: {', '.join(ROBOTS)}")


def _find(index: dict[str, int], name: str) -> int:
    if name not in index:
        known = ", ".join(sorted(index))
        raise TurnRlError(f"task.joint_names: the simulated arm has no joint {name!r}; it has {known}")
    return index[name]
