import pytest

from tests.report.small_run import small_run


@pytest.fixture
def run(tmp_path):
    """A finished run of two turns in the simulated gantry."""
    return small_run(tmp_path)
