"""The grid world as a gantry, against moves worked out by hand."""

from collections import Counter

import numpy as np
import pytest

from sim.gantry import Gantry
from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.core.task.grid import CELL_M, Grid, read_world

PERIOD_S = 0.05
RIGHT = np.array([0, 1])


def small_world(tmp_path, slip=0.0):
    """S at (0, 0), a wall right of it, R at (2, 2)."""
    path = tmp_path / "small.txt"
    path.write_text("S#O\nOOO\nO#R\n")
    return make_spec({"kind": "gridworld", "world": str(path), "slip": slip})


def move(gantry, row, column):
    """Command a cell; the cell that the tool is at afterwards."""
    gantry.step(np.array([row, column]) * CELL_M, "position", PERIOD_S)
    return tuple(int(i) for i in Grid.cell(gantry.state()[0]))


def at(spec, row, column, seed=0):
    gantry = Gantry(spec, seed)
    gantry.reset(np.array([row, column]) * CELL_M)
    return gantry


def test_it_wakes_up_at_the_start_at_rest(tmp_path):
    position, velocity, effort = Gantry(small_world(tmp_path)).state()
    for values in (position, velocity, effort):
        np.testing.assert_array_equal(values, [0.0, 0.0])


@pytest.mark.parametrize(
    ("start", "target", "arrived"),
    [
        ((1, 1), (1, 2), (1, 2)),  # right
        ((1, 1), (1, 1), (1, 1)),  # stay
        ((1, 1), (0, 1), (1, 1)),  # up, into a wall
        ((1, 1), (2, 1), (1, 1)),  # down, into a wall
        ((1, 0), (1, -1), (1, 0)),  # left, out of the world
        ((2, 0), (3, 0), (2, 0)),  # down, out of the world
        ((0, 2), (2, 2), (1, 2)),  # far: one cell that way
        ((1, 0), (0, 0), (0, 0)),  # to the start from next to it: a plain move
    ],
)
def test_a_command_moves_one_cell_unless_something_is_in_the_way(tmp_path, start, target, arrived):
    assert move(at(small_world(tmp_path), *start), *target) == arrived


def test_a_command_to_the_start_from_afar_goes_over_the_walls_in_one_step(tmp_path):
    assert move(at(small_world(tmp_path), 2, 2), 0, 0) == (0, 0)
    assert move(at(small_world(tmp_path, slip=1.0), 1, 1), 0, 0) == (0, 0), "the lift does not slip"


def test_slips_go_each_way_as_often_as_the_probability_says():
    """In the open, a move right with slip 0.4 ends right with 0.6 + 0.4 / 4, each other way with 0.1."""
    spec = make_spec({"kind": "gridworld", "slip": 0.4})
    gantry = Gantry(spec, seed=3)
    ends = Counter()
    for _ in range(4000):
        gantry.reset(np.array([16, 10]) * CELL_M)  # a free cell with free neighbours
        ends[move(gantry, 16, 11)] += 1
    expected = {(16, 11): 0.7, (15, 10): 0.1, (17, 10): 0.1, (16, 9): 0.1}
    assert set(ends) == set(expected)
    for cell, share in expected.items():
        # Four standard deviations of a binomial share.
        assert ends[cell] / 4000 == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 4000))


def test_holding_still_never_slips(tmp_path):
    gantry = at(small_world(tmp_path, slip=1.0), 1, 1)
    assert {move(gantry, 1, 1) for _ in range(50)} == {(1, 1)}


def test_the_seed_decides_the_slips():
    spec = make_spec({"kind": "gridworld", "slip": 0.5})

    def walk(seed):
        gantry = Gantry(spec, seed)
        return [move(gantry, *(Grid.cell(gantry.state()[0]) + RIGHT)) for _ in range(30)]

    assert walk(1) == walk(1)
    assert walk(1) != walk(2)


def test_it_cannot_be_put_into_a_wall(tmp_path):
    with pytest.raises(TurnRlError, match="row 0 column 1"):
        at(small_world(tmp_path), 0, 1)


def test_it_takes_no_velocities(tmp_path):
    with pytest.raises(TurnRlError, match="not 'velocity'"):
        Gantry(small_world(tmp_path)).step(np.zeros(2), "velocity", PERIOD_S)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SO\nOx\nRO\n", "row 1 column 1 is 'x'; use O"),
        ("SOR\nOO\n", "row 1 has 2 cells, row 0 has 3"),
        ("SOS\nORO\n", "one S, this one has 2"),
        ("SO\nOO\n", "one R, this one has 0"),
    ],
)
def test_a_bad_world_says_where_it_is_bad(text, message):
    with pytest.raises(ConfigError, match=message):
        read_world(text, "mine.txt")


def test_a_missing_world_file_is_named():
    with pytest.raises(ConfigError, match=r"task\.world = '/nowhere/w\.txt': cannot read"):
        make_spec({"kind": "gridworld", "world": "/nowhere/w.txt"})


def test_the_shipped_world_is_the_studys():
    world = Grid(make_spec({"kind": "gridworld"})).world
    assert world.free.shape == (20, 20)
    assert (~world.free).sum() == 40
    assert world.start == (2, 8) and world.reward == (12, 17)
