"""A small real run without ROS: random sessions of the simulated gantry, recorded, scored and summed up as a run is."""

import json
from pathlib import Path

import numpy as np
import pytest

from sim import make_env
from turn_rl_ros.core.guard.guard import Cause
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.transition import Transition
from turn_rl_ros.data.session import SessionWriter

WORLD = "SOO\n#OO\nOOR\n"
"""3 by 3 cells; the way from S to R takes 4 moves."""
STEPS = 10


def grid_spec(directory: Path):
    """The task of the small world, 10 steps an episode."""
    world = directory / "small.txt"
    world.write_text(WORLD)
    return make_spec({"kind": "gridworld", "world": str(world), "episode_steps": STEPS})


def episode(env, choose):
    """One episode, step by step: (observation, info) before, action, reward, the same after, truncated."""
    before = env.reset()
    for _ in range(env.task_spec.episode_steps):
        action = choose(before[0])
        observation, reward, _, truncated, info = env.step(action)
        after = (observation, info)
        yield before, action, reward, after, truncated
        before = after


def record(directory: Path, env, turn: int, rng, *, episodes=3, seconds=1.5):
    """One session; the guard is said to have changed its first two rows, for one reason and for two."""
    causes = {0: Cause.POSITION_LIMIT, 1: Cause.POSITION_LIMIT | Cause.VELOCITY_LIMIT}
    facts = {"turn": turn, "window_asked_s": seconds, "policy_sha256": "ab" * 32 if turn else ""}
    with SessionWriter(directory, env.task_spec, facts) as writer:
        for number in range(episodes):
            steps = episode(env, lambda _: np.array(rng.integers(5)))
            for step, ((seen, info), action, reward, (then, later), truncated) in enumerate(steps):
                writer.append(
                    Transition(
                        observation=seen,
                        action=action,
                        reward=reward,
                        next_observation=then,
                        terminated=False,
                        truncated=truncated,
                        joint_position=info["joint_position"],
                        joint_velocity=info["joint_velocity"],
                        next_joint_position=later["joint_position"],
                        next_joint_velocity=later["joint_velocity"],
                        goal=info["goal"],
                        stamp_ns=(number * STEPS + step) * env.task_spec.period_ns,
                        next_stamp_ns=(number * STEPS + step + 1) * env.task_spec.period_ns,
                        episode=number,
                        step=step,
                        behaviour=2 if turn else 0,
                        intervention=int(causes.get(number * STEPS + step, 0)),
                        command=later["command"],
                    )
                )
        return writer.seal("window used up", {"window_used_s": seconds, "drops": {"lost_state": turn}})


def small_run(directory: Path, turns: int = 2, goals: int = 4) -> Path:
    """A finished run of `turns` turns: 30 transitions and 1.5 robot-seconds each."""
    spec, rng = grid_spec(directory), np.random.default_rng(0)
    env, run = make_env(spec), directory / "run"
    (run / "evaluations").mkdir(parents=True)
    entries = []
    for turn in range(turns):
        record(run / "sessions", env, turn, rng)
        entries.append(
            {"turn": turn, "robot_seconds": 1.5, "transitions": 30, "train_seconds": 2.25, "wall_seconds": 4.5}
        )
    for policy in range(turns + 1):
        score = evaluation(env, rng, goals)
        (run / "evaluations" / f"turn-{policy:03d}.json").write_text(json.dumps(score))
        if policy:
            entries[policy - 1].update({key: score[key] for key in ("success_rate", "mean_return")})
    (run / "summary.json").write_text(json.dumps({"env": "gridworld", "turns": entries}))
    return run


def evaluation(env, rng, goals: int) -> dict:
    """Random actions on `goals` episodes, in the form of RUN/evaluations/turn-NNN.json."""
    returns, distances, successes = [], [], []
    for _ in range(goals):
        steps = list(episode(env, lambda _: np.array(rng.integers(5))))
        returns.append(sum(reward for _, _, reward, _, _ in steps))
        distances.append([steps[0][0][1]["distance"], *(after[1]["distance"] for _, _, _, after, _ in steps)])
        successes.append(steps[-1][3][1]["is_success"])
    return {
        "success_rate": float(np.mean(successes)),
        "mean_return": float(np.mean(returns)),
        "returns": returns,
        "final_distances": [curve[-1] for curve in distances],
        "distances": distances,
        "seed": 12345,
    }


@pytest.fixture
def run(tmp_path):
    """A finished run of two turns in the simulated gantry."""
    return small_run(tmp_path)


@pytest.fixture
def spec(tmp_path):
    """The task of the small world."""
    return grid_spec(tmp_path)
