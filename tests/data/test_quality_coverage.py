"""Cells and distances that were counted by hand."""

import numpy as np
import pytest
from quality_data import ROWS, STEPS, arm_data, planted, recorded, simulated

from turn_rl_ros.data import select
from turn_rl_ros.data.quality.coverage import boxes, coverage
from turn_rl_ros.data.quality.nearest import Scale, nearest, sample


def test_occupied_boxes_by_hand():
    # A 2 x 3 grid of unit boxes; two points share one, one lies on the far edge, one outside.
    points = np.array([[0.1, 0.1], [0.9, 0.2], [1.5, 2.5], [2.0, 3.0], [2.1, 1.0]])
    found = boxes("b", points, np.zeros(2), np.array([2.0, 3.0]), 1.0, "", ("x", "y"))
    assert (found.occupied, found.reference, found.share) == (2, 6, 2 / 6)


def test_the_goal_box_is_counted_in_cubes_of_a_success_radius():
    data = arm_data()
    box, around = coverage(data).cells
    assert (box.reference, around.reference) == (10 * 10 * 2, 4**3)  # 0.5 x 0.5 x 0.1 m and 0.2 m, by 0.05 m
    tip = np.stack(
        [
            0.5 * np.cos(data.next_joint_position[:, 0]) + 0.5 * np.cos(data.next_joint_position.sum(axis=1)),
            0.5 * np.sin(data.next_joint_position[:, 0]) + 0.5 * np.sin(data.next_joint_position.sum(axis=1)),
        ],
        axis=1,
    )
    cells = {tuple(cell) for cell in np.floor((tip - [0.4, 0.2]) / 0.05).astype(int) if (cell >= 0).all()}
    assert box.occupied == len({cell for cell in cells if max(cell) < 10})


def test_the_grid_is_counted_in_cells_that_can_be_reached():
    data = simulated("gridworld", 200)
    cells, moves = coverage(data).cells
    # 400 cells less 40 walls, less one that walls seal off; five moves in each.
    assert (cells.reference, moves.reference) == (359, 5 * 359)
    seen = [(*cell, move) for cell, move in zip(data.observations.tolist(), data.actions.tolist(), strict=True)]
    assert (cells.occupied, moves.occupied) == (len({cell[:2] for cell in seen}), len(set(seen)))


def test_data_on_a_line_has_one_component():
    data = recorded(np.random.default_rng(0))
    (line,) = coverage(planted(data, "observations", (slice(None), 1), 2 * data.observations[:, 0])).cells
    assert line.axes == ("component 1",) and line.reference == 10
    (plane,) = coverage(data).cells
    assert plane.axes == ("component 1", "component 2") and plane.reference == 100


def test_the_nearest_of_another_group_by_hand():
    queries = np.array([[0.0, 0.0], [4.0, 0.0]], np.float32)
    reference = np.array([[0.0, 1.0], [3.0, 3.0], [4.0, 0.5]], np.float32)
    distances, found = nearest(queries, reference)
    assert distances.tolist() == [1.0, 0.5] and found.tolist() == [0, 2]
    distances, found = nearest(queries, reference, np.array([7, 8]), np.array([7, 7, 8]))
    assert distances == pytest.approx([np.hypot(4, 0.5), np.hypot(1, 3)]) and found.tolist() == [2, 1]


def test_distances_agree_with_brute_force():
    data = arm_data(episodes=3)
    scale, everything = Scale.fit(data), np.arange(len(data))
    pairs = scale.pairs(data, everything).astype(np.float64)
    far = np.linalg.norm(pairs[:, None] - pairs, axis=2)
    far[data.episode[:, None] == data.episode] = np.inf
    np.testing.assert_allclose(coverage(data).distances, np.sort(far.min(axis=1)), atol=1e-5)


def test_one_episode_supports_nothing_and_its_twin_all_of_it():
    one = arm_data(episodes=1)
    assert coverage(one).supported == 0 and np.isinf(coverage(one).distances).all()
    two = select.take(arm_data(episodes=2), np.tile(np.arange(STEPS), 2))
    twin = planted(two, "episode", slice(STEPS, None), 1)
    assert coverage(twin).supported == 1 and coverage(twin).distances.max() == 0


def test_a_distance_is_in_standard_deviations():
    data = arm_data()
    scale = Scale.fit(data)
    far = planted(data, "observations", 7, data.observations[7] + data.observations.std(axis=0))
    far = planted(far, "actions", 7, np.clip(data.actions[7] + 1, -1, 2))  # half the range of an action is 1
    row = np.array([7])
    assert np.linalg.norm(scale.pairs(far, row) - scale.pairs(data, row)) == pytest.approx(1, abs=0.02)


def test_a_sample_is_all_or_as_many_as_asked():
    assert sample(5, 9).tolist() == [0, 1, 2, 3, 4]
    drawn = sample(ROWS, 30)
    assert len(set(drawn.tolist())) == 30 and (np.diff(drawn) > 0).all() and drawn.max() < ROWS
