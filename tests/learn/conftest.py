"""Two tasks small enough to work out by hand: a planar two-joint arm and a corridor grid."""

import numpy as np
import pytest
import torch

from turn_rl_ros.core.task import make_spec, make_task
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.dataset import Dataset

UPPER_M, LOWER_M = 0.5, 0.3

JOINT = """<joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>
<origin xyz="{x} 0 0" rpy="0 0 0"/><axis xyz="0 0 1"/><limit lower="-3" upper="3" velocity="2" effort="1"/></joint>"""
URDF = (
    '<robot name="planar"><link name="base"/><link name="upper"/><link name="lower"/><link name="tip"/>'
    + JOINT.format(name="a", parent="base", child="upper", x=0)
    + JOINT.format(name="b", parent="upper", child="lower", x=UPPER_M)
    + '<joint name="t" type="fixed"><parent link="lower"/><child link="tip"/>'
    + f'<origin xyz="{LOWER_M} 0 0" rpy="0 0 0"/></joint></robot>'
)


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on two."""
    torch.set_num_threads(1)


@pytest.fixture
def planar_spec(tmp_path):
    path = tmp_path / "planar.urdf"
    path.write_text(URDF)
    return make_spec(
        {
            "kind": "reach",
            "robot": "planar",
            "urdf": str(path),
            "tip_link": "tip",
            "joint_names": ["a", "b"],
            "home": [0.3, 0.4],
            "goal_low": [0.2, -0.5, -0.01],
            "goal_high": [0.7, 0.5, 0.01],
            "episode_steps": 10,
        }
    )


@pytest.fixture
def planar_data(planar_spec):
    """Five episodes of ten steps under random velocities, integrated exactly."""
    task, rng = make_task(planar_spec), np.random.default_rng(0)
    rows = []
    for episode in range(5):
        goal, q, v = task.sample_goal(rng), task.home.copy(), np.zeros(2)
        for step in range(10):
            action = rng.uniform(-1, 1, 2).astype(np.float32)
            after = q + 0.05 * action
            rows.append(row(task, (q, v), action, (after, action.astype(float)), goal, episode, step, step == 9))
            q, v = after, action.astype(float)
    return Dataset.from_transitions(rows, planar_spec)


@pytest.fixture
def reaching_data(planar_spec):
    """Forty episodes of twenty steps of 0.1 s: towards the goal by the Jacobian's transpose, with as much noise."""
    task, rng = make_task(planar_spec), np.random.default_rng(0)
    rows = []
    for episode in range(40):
        goal, q, v = task.sample_goal(rng), task.home.copy(), np.zeros(2)
        for step in range(20):
            pull = 10.0 * task.chain.jacobian(q)[:3].T @ (goal - task.achieved_goal(q))
            action = np.clip(0.5 * np.clip(pull, -1, 1) + rng.uniform(-0.5, 0.5, 2), -1, 1).astype(np.float32)
            after = q + 0.1 * action
            rows.append(row(task, (q, v), action, (after, action.astype(float)), goal, episode, step, step == 19))
            q, v = after, action.astype(float)
    return Dataset.from_transitions(rows, planar_spec)


@pytest.fixture
def corridor_spec(tmp_path):
    path = tmp_path / "corridor.txt"
    path.write_text("SOR\n")
    return make_spec({"kind": "gridworld", "world": str(path), "episode_steps": 6})


@pytest.fixture
def corridor_data(corridor_spec):
    """Every move from every cell of S O R, once."""
    task, rows = make_task(corridor_spec), []
    goal = task.sample_goal(np.random.default_rng(0))
    for column in range(3):
        for action, shift in enumerate((0, 0, 0, -1, 1)):
            before = np.array([0.0, 0.1 * column])
            after = np.array([0.0, 0.1 * np.clip(column + shift, 0, 2)])
            still = np.zeros(2)
            rows.append(row(task, (before, still), np.array(action), (after, still), goal, len(rows), 0, True))
    return Dataset.from_transitions(rows, corridor_spec)


def row(task, before, action, after, goal, episode, step, truncated):
    stamp = (100 * episode + step) * task.spec.period_ns
    return Transition(
        observation=task.observe(*before, goal),
        action=action,
        reward=float(task.reward(after[0], goal)),
        next_observation=task.observe(*after, goal),
        terminated=False,
        truncated=truncated,
        joint_position=before[0],
        joint_velocity=before[1],
        next_joint_position=after[0],
        next_joint_velocity=after[1],
        goal=goal,
        stamp_ns=stamp,
        next_stamp_ns=stamp + task.spec.period_ns,
        episode=episode,
        step=step,
        behaviour=0,
        command=np.zeros(2),
    )
