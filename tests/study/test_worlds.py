"""The optimum of each world, by breadth-first search or by hand, beside what backward induction says."""

from collections import deque

import numpy as np
import pytest

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.scenario import scenario_file
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.task.grid import Grid
from turn_rl_ros.report.tabular import expected_return, optimal_policy, random_policy


def task_of(env):
    return Grid(make_spec(scenario_section(scenario_file(env), "arm", "task")))


def steps_to_reward(world):
    """Fewest moves from S to R, and how many cells can be reached, by breadth-first search."""
    distance, queue = {world.start: 0}, deque([world.start])
    while queue:
        row, column = queue.popleft()
        for cell in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            inside = 0 <= cell[0] < world.free.shape[0] and 0 <= cell[1] < world.free.shape[1]
            if inside and world.free[cell] and cell not in distance:
                distance[cell] = distance[row, column] + 1
                queue.append(cell)
    return distance[world.reward], len(distance)


@pytest.mark.parametrize(
    ("env", "shape", "steps"),
    [("gridworld_maze", (19, 19), 72), ("gridworld_open", (40, 40), 50), ("gridworld", (20, 20), 19)],
)
def test_the_best_return_counts_every_step_from_the_arrival_on(env, shape, steps):
    """In 269 steps the tool that arrives with its n-th move earns 269 - n + 1."""
    task = task_of(env)
    assert task.world.free.shape == shape
    assert steps_to_reward(task.world)[0] == steps
    assert expected_return(task, optimal_policy(task)) == pytest.approx(269 - steps + 1, abs=1e-9)


def test_exactly_one_way_leads_through_the_maze():
    """A connected graph without circles has one edge less than nodes."""
    free = task_of("gridworld_maze").world.free
    edges = (free[1:] & free[:-1]).sum() + (free[:, 1:] & free[:, :-1]).sum()
    assert edges == free.sum() - 1
    assert steps_to_reward(task_of("gridworld_maze").world)[1] == free.sum()


def test_every_free_cell_of_the_open_world_can_be_reached():
    world = task_of("gridworld_open").world
    assert steps_to_reward(world)[1] == world.free.sum()


def test_the_slippery_world_is_the_studys_and_slipping_costs():
    """By simulation: follow the optimal policy with dice of our own, 400 episodes, within four standard errors."""
    task = task_of("gridworld_slippery")
    assert task.slip == 0.2
    np.testing.assert_array_equal(task.world.free, task_of("gridworld").world.free)
    policy, rng = optimal_policy(task).argmax(axis=-1), np.random.default_rng(0)
    moves = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)])
    here = np.tile(task.world.start, (400, 1))
    earned = np.zeros(400)
    for step in range(269):
        action = policy[step, here[:, 0] * 20 + here[:, 1]]
        slips = (rng.random(400) < 0.2) & (action != 0)
        wanted = here + moves[np.where(slips, rng.integers(1, 5, 400), action)]
        inside = ((wanted >= 0) & (wanted < 20)).all(axis=1)
        inside[inside] = task.world.free[tuple(wanted[inside].T)]
        here = np.where(inside[:, None], wanted, here)
        earned += (here == task.world.reward).all(axis=1)
    best = expected_return(task, optimal_policy(task))
    assert abs(earned.mean() - best) < 4 * earned.std() / 20
    assert expected_return(task, random_policy(task)) < 1 < best < 251
