import numpy as np
import pytest

from turn_rl_ros.core.decision import Decision
from turn_rl_ros.core.errors import TurnRlError


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(9))
def test_a_head_that_is_not_finite_is_refused_in_one_line(place, bad):
    values = np.arange(11.0)
    values[place] = bad
    with pytest.raises(TurnRlError, match="must be finite"):
        Decision.from_numbers(values)


def test_a_command_that_is_not_finite_arrives_for_the_guard_to_judge():
    assert np.isnan(Decision.from_numbers(np.array([*range(9), np.nan])).command).all()
