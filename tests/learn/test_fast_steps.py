"""The fast algorithms against the plain ones: the same steps from the same state, in float64 and float32."""

from typing import Any

import pytest
import torch

from turn_rl_ros.core.task import make_spec
from turn_rl_ros.learn.algorithms import ALGORITHMS
from turn_rl_ros.learn.algorithms.base import Algorithm, Problem
from turn_rl_ros.learn.algorithms.cql import CqlConfig
from turn_rl_ros.learn.algorithms.discrete_cql import DiscreteCqlConfig
from turn_rl_ros.learn.algorithms.iql import IqlConfig
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.fast import accelerated
from turn_rl_ros.learn.fast.later import Later
from turn_rl_ros.learn.noise import Noise
from turn_rl_ros.learn.replay import Batch

SEEDS, BATCH, STATE, ACTION, STEPS = 2, 32, 5, 3, 4


class Inputs:
    """As many as the test says; nothing is normalised, because the batches are made here."""

    size = STATE


def make(kind: type[Algorithm], own: Any, **settings: Any) -> Algorithm:
    """An algorithm at its first step, on seeds 0 and 1."""
    names = [f"a{i}" for i in range(ACTION)]
    bounds = {"action_units": ["1"] * ACTION, "action_low": [-1.0] * ACTION, "action_high": [1.0] * ACTION}
    spec = make_spec({"kind": "recorded", "discrete": kind.discrete, "action_names": names, **bounds})
    problem = Problem(spec, None, Inputs(), -3.0, 3.0, 0.1, Noise(range(SEEDS)))  # type: ignore[arg-type]
    return kind(problem, TrainerConfig(batch_size=BATCH, width=16, learning_rate=1e-2, **settings), own)


def batches(discrete: bool, one_hot: bool = False) -> list[Batch]:
    """Random transitions, a tenth of them terminal."""
    torch.manual_seed(1)

    def state() -> torch.Tensor:
        return torch.randint(STATE, (SEEDS, BATCH)) if one_hot else torch.randn(SEEDS, BATCH, STATE)

    def action() -> torch.Tensor:
        return torch.randint(ACTION, (SEEDS, BATCH)) if discrete else torch.rand(SEEDS, BATCH, ACTION) * 2 - 1

    return [
        Batch(state(), action(), torch.randn(SEEDS, BATCH), state(), (torch.rand(SEEDS, BATCH) < 0.1).float())
        for _ in range(STEPS)
    ]


CASES = [
    ("cql", CqlConfig(), {}),
    ("cql", CqlConfig(alpha_rule="lagrange", variant="rho", gap_rows=7, entropy_backup=True), {"layer_norm": True}),
    ("iql", IqlConfig(), {}),
    ("iql", IqlConfig(expectile=0.9, beta=30.0), {"layer_norm": True, "clamp_targets": True}),
    ("discrete_cql", DiscreteCqlConfig(), {}),
    ("discrete_cql", DiscreteCqlConfig(alpha=0.1), {"clamp_targets": True}),
]


@pytest.fixture(params=[(torch.float64, 1e-11), (torch.float32, 1e-3)], ids=["float64", "float32"])
def tolerance(request: pytest.FixtureRequest) -> Any:
    """Relative difference allowed after all steps; Adam's first ones divide small gradients by their own size."""
    kind, allowed = request.param
    torch.set_default_dtype(kind)
    yield allowed
    torch.set_default_dtype(torch.float32)


def compare(plain: Algorithm, fast: Algorithm, steps: list[Batch], tolerance: float) -> None:
    """Whole state and metrics after the same batches."""
    assert type(fast) is not type(plain)
    for batch in steps:
        single = Batch(*(part.to(torch.get_default_dtype()) if part.is_floating_point() else part for part in batch))
        told, found = plain.update(single), fast.update(single)
    assert told.keys() == found.keys()
    for name in told:
        torch.testing.assert_close(found[name], told[name].detach(), rtol=tolerance, atol=tolerance)
    wanted, state = plain.state(), fast.state()
    assert wanted.keys() == state.keys()
    for name, true in wanted.items():
        torch.testing.assert_close(state[name], true, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize(("name", "own", "settings"), CASES)
def test_same_steps_as_the_plain_algorithm(name, own, settings, tolerance) -> None:
    """Weights, Adam's state, noise, followers and metrics."""
    plain = ALGORITHMS[name]
    pair = [make(kind, own, **settings) for kind in (plain, accelerated(plain, TrainerConfig()))]
    compare(*pair, batches(plain.discrete), tolerance)


def test_same_steps_with_one_hot_inputs(tolerance) -> None:
    """The gather and its gradient."""
    plain = ALGORITHMS["discrete_cql"]
    pair = [make(kind, DiscreteCqlConfig()) for kind in (plain, accelerated(plain, TrainerConfig()))]
    compare(*pair, batches(True, one_hot=True), tolerance)


def test_a_checkpoint_of_the_plain_algorithm_continues_on_the_fast_one() -> None:
    """Both keep everything that they must remember under the same names."""
    plain, steps = ALGORITHMS["iql"], batches(False)
    first, second = make(plain, IqlConfig()), make(accelerated(plain, TrainerConfig()), IqlConfig())
    first.update(steps[0])
    second.restore({name: value.clone() for name, value in first.state().items()})
    compare(first, second, steps[1:], 1e-3)


def test_linear_networks_stay_on_the_plain_path() -> None:
    """Width 0 has no layer to save anything in."""
    assert accelerated(ALGORITHMS["cql"], TrainerConfig(width=0)) is ALGORITHMS["cql"]


def test_metrics_are_made_once_and_only_when_looked_at() -> None:
    """The cost that `Later` saves is the call."""
    calls: list[int] = []

    def work() -> dict[str, torch.Tensor]:
        calls.append(1)
        return {"a": torch.ones(1)}

    later = Later(work)
    assert not calls
    assert dict(later) == {"a": later["a"]}
    assert len(calls) == 1
