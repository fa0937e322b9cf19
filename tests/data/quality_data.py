"""Clean recordings to plant faults in: of a planar arm that obeys, of a simulator, and from elsewhere."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from turn_rl_ros.core.behaviour import make_behaviour
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.exploration import BehaviourConfig
from turn_rl_ros.core.rollout import run_session
from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.dataset import Dataset, load_dataset
from turn_rl_ros.data.session import SessionWriter

STEPS = 50
EPISODES = 8
ROWS = STEPS * EPISODES
URDF = """<robot name="planar"><link name="base"/><link name="upper"/><link name="lower"/><link name="tip"/>
<joint name="shoulder" type="revolute"><parent link="base"/><child link="upper"/><axis xyz="0 0 1"/>
<limit lower="-3" upper="3" velocity="2" effort="1"/></joint>
<joint name="elbow" type="revolute"><parent link="upper"/><child link="lower"/><origin xyz="0.5 0 0"/>
<axis xyz="0 0 1"/><limit lower="-3" upper="3" velocity="2" effort="1"/></joint>
<joint name="end" type="fixed"><parent link="lower"/><child link="tip"/><origin xyz="0.5 0 0"/></joint></robot>"""


@cache
def arm_spec():
    """Reach in the plane: 2 joints, 1 rad/s, 20 Hz, episodes of 50 steps."""
    with TemporaryDirectory() as folder:
        urdf = Path(folder, "planar.urdf")
        urdf.write_text(URDF)
        return make_spec(
            {
                "kind": "reach", "robot": "planar", "urdf": str(urdf), "tip_link": "tip",
                "joint_names": ("shoulder", "elbow"), "home": (0.3, 0.6),
                "goal_low": (0.4, 0.2, -0.05), "goal_high": (0.9, 0.7, 0.05), "episode_steps": STEPS,
            }
        )  # fmt: skip


def arm_rows(seed, episodes=EPISODES, gain=0.5, reach=0.9, pull=0.05):
    """Random motion: each period a joint makes good `gain` of what its velocity lacks of the command."""
    spec, rng, rows = arm_spec(), np.random.default_rng(seed), []
    task = make_task(spec)
    for episode in range(episodes):
        position = task.home + 0.05 * rng.standard_normal(2)
        velocity, command = np.zeros(2), np.zeros(2)
        goal = task.sample_goal(rng)
        for step in range(STEPS):
            command = np.clip(
                0.9 * command + 0.3 * rng.standard_normal(2) + pull * (task.home - position), -reach, reach
            )
            after_velocity = velocity + gain * (command - velocity)
            after = position + spec.period_s * after_velocity
            number = episode * STEPS + step
            rows.append(
                Transition(
                    observation=task.observe(position, velocity, goal),
                    action=command.astype(np.float32),
                    reward=float(task.reward(after, goal)),
                    next_observation=task.observe(after, after_velocity, goal),
                    terminated=False,
                    truncated=step == STEPS - 1,
                    joint_position=position,
                    joint_velocity=velocity,
                    next_joint_position=after,
                    next_joint_velocity=after_velocity,
                    goal=goal,
                    stamp_ns=number * spec.period_ns + seed * 10**12,
                    next_stamp_ns=(number + 1) * spec.period_ns + seed * 10**12,
                    episode=episode,
                    step=step,
                    behaviour=0,
                    command=command,
                )
            )
            position, velocity = after, after_velocity
    return rows


def arm_data(seed=0, **arguments):
    """One session in memory."""
    return Dataset.from_transitions(arm_rows(seed, **arguments), arm_spec())


def arm_sessions(directory, *parts):
    """The parts (lists of transitions) as sessions on disk, in their order, read again."""
    for number, part in enumerate(parts):
        created = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(hours=number)
        writer = SessionWriter(directory, arm_spec(), created_utc=created, session_id=f"{number:08x}")
        for row in part:
            writer.append(row)
        writer.seal("window over")
    return load_dataset(directory)


def planted(data, column, rows, value):
    """A copy in which `column` has `value` in some rows; a function of the old values may stand for the value."""
    values = getattr(data, column).copy()
    values[rows] = value(values[rows]) if callable(value) else value
    return replace(data, **{column: values})


def recorded(rng, rows=300):
    """Imported data, 100 steps an episode: a point that is pushed about, paid for staying near 0."""
    names = {"observation_names": ("x", "y"), "observation_units": ("m", "m")}
    bounds = {"observation_low": (-9.0, -9.0), "observation_high": (9.0, 9.0)}
    spec = make_spec({"kind": "recorded", **names, **bounds, "episode_steps": 100})
    empty, states, table = np.zeros(0), np.zeros(2), []
    for number in range(rows):
        action = rng.uniform(-1, 1, 1)
        after = 0.9 * states + 0.3 * rng.standard_normal(2) + [action[0], 0]
        table.append(
            Transition(
                observation=states.astype(np.float32), action=action.astype(np.float32),
                reward=-float(np.abs(after).sum()), next_observation=after.astype(np.float32), terminated=False,
                truncated=number % 100 == 99, joint_position=empty, joint_velocity=empty, next_joint_position=empty,
                next_joint_velocity=empty, goal=empty, stamp_ns=number * spec.period_ns,
                next_stamp_ns=(number + 1) * spec.period_ns, episode=number // 100, step=number % 100, behaviour=0,
                command=empty,
            )
        )  # fmt: skip
        states = np.zeros(2) if number % 100 == 99 else after
    return Dataset.from_transitions(table, spec)


def simulated(kind, steps):
    """A first session of random motion in the simulator."""
    env = make_env(make_spec({"kind": kind}))
    behaviour = make_behaviour(env.task, BehaviourConfig(), None, np.random.default_rng(0))
    return Dataset.from_transitions(run_session(env, behaviour, steps), env.task_spec)
