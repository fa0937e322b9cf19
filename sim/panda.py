"""The Franka Panda that pybullet_data ships, in PyBullet. The only file that imports PyBullet."""

from pathlib import Path

import numpy as np
import pybullet
import pybullet_data

from sim.arm import Array
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.robot import urdf_hash
from turn_rl_ros.core.spec import TaskSpec

URDF = Path(pybullet_data.getDataPath()) / "franka_panda" / "panda.urdf"

PHYSICS_HZ = 240.0
"""PyBullet's default rate: a control period is cut into the nearest whole number of such steps."""

_MODES = {"velocity": pybullet.VELOCITY_CONTROL, "position": pybullet.POSITION_CONTROL}

_POSITION, _VELOCITY, _EFFORT = 0, 1, 3
"""Fields of getJointStates."""
_NAME, _MAX_FORCE = 1, 10
"""Fields of getJointInfo."""


class PyBulletArm:
    """A Panda on a fixed base, alone in a DIRECT client of its own; nothing is drawn.

    There is no gravity: the real arm's controller compensates it below the command interface, so that the motion is the
    same and effort is what the joint gives beyond it (measured: 1.5 times the steps per second).
    """

    interfaces: tuple[str, ...] = tuple(_MODES)

    def __init__(self, spec: TaskSpec) -> None:
        """Load the arm and put it at home. Raises TurnRlError when the spec describes another arm."""
        self.joint_names = spec.joint_names
        self.home = np.array(spec.details["home"])
        self._max_velocity = np.array(spec.joint_velocity)
        self._client = pybullet.connect(pybullet.DIRECT)
        try:
            self._body = pybullet.loadURDF(str(URDF), useFixedBase=True, physicsClientId=self._client)
            infos = [pybullet.getJointInfo(self._body, i, physicsClientId=self._client) for i in range(self._n_links())]
            index = {info[_NAME].decode(): i for i, info in enumerate(infos)}
            self._joints = [_find(index, name) for name in spec.joint_names]
            if spec.details["robot_description_sha256"] != urdf_hash(URDF.read_text(encoding="utf-8")):
                raise TurnRlError(f"task.urdf is not the simulated Panda; in simulation, set it to {URDF}")
        except TurnRlError:
            self.close()
            raise
        self._forces = [infos[i][_MAX_FORCE] for i in self._joints]
        self._stepping = (0.0, 0)
        self._hold_fingers([index["panda_finger_joint1"], index["panda_finger_joint2"]])
        self._fresh = pybullet.saveState(physicsClientId=self._client)
        self.reset()

    def reset(self, joint_position: Array | None = None, seed: int | None = None) -> None:
        """At rest at `joint_position` (7,) rad, or at home. `seed` is unused: the physics has no randomness."""
        # Without this the solver's memory of the last episode leaks into the next: about 1e-4 rad.
        pybullet.restoreState(self._fresh, physicsClientId=self._client)
        for joint, angle in zip(self._joints, self.home if joint_position is None else joint_position, strict=True):
            pybullet.resetJointState(self._body, joint, float(angle), 0.0, physicsClientId=self._client)
        self._read()

    def step(self, command: Array, interface: str, period_s: float) -> None:
        """Obey `command` (7,), rad/s or rad, with at most the URDF's torques."""
        if interface not in _MODES:
            raise TurnRlError(f"the Panda takes velocity or position commands, not {interface!r}")
        target = np.asarray(command, dtype=np.float64)
        if interface == "position":
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
        """Joint position, velocity and effort now, (7,) each; read once a step."""
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

    def close(self) -> None:
        """Disconnect; a second call does nothing."""
        if self._client >= 0:
            pybullet.disconnect(self._client)
            self._client = -1

    def _n_links(self) -> int:
        return pybullet.getNumJoints(self._body, physicsClientId=self._client)

    def _hold_fingers(self, joints: list[int]) -> None:
        pybullet.setJointMotorControlArray(
            self._body,
            joints,
            pybullet.POSITION_CONTROL,
            targetPositions=[0.0] * len(joints),
            forces=[20.0] * len(joints),
            physicsClientId=self._client,
        )

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


def _find(index: dict[str, int], name: str) -> int:
    if name not in index:
        known = ", ".join(sorted(index))
        raise TurnRlError(f"task.joint_names: the simulated Panda has no joint {name!r}; it has {known}")
    return index[name]
