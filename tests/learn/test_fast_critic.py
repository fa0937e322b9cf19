"""The tiled critic gradient against autograd on the plain equations, in float64, float32 and bfloat16."""

import math

import pytest
import torch
from torch import Tensor

from turn_rl_ros.learn import equations as eq
from turn_rl_ros.learn.fast import critic as fast
from turn_rl_ros.learn.networks import Network, per_network

SEEDS, CRITICS, BATCH, STATE, ACTION, SAMPLES = 2, 2, 24, 5, 3, 4


def network(layer_norm: bool, kind: torch.dtype) -> Network:
    """Two seeds of twin critics, 16 units wide, learnable, in the given type."""
    made = Network((STATE + ACTION, 16, 16, 1), [torch.Generator().manual_seed(s) for s in range(SEEDS)], CRITICS)
    made.layer_norm, made.values = layer_norm, made.values.to(kind)
    made.layers = made._views(made.values)
    return made.learnable()


def batch(rows: int, kind: torch.dtype) -> dict[str, Tensor]:
    """What `gradient` takes, with the gap on the first `rows` states."""
    torch.manual_seed(3)
    parts = {
        "observation": torch.randn(SEEDS, BATCH, STATE),
        "action": torch.rand(SEEDS, BATCH, ACTION) * 2 - 1,
        "target": torch.randn(SEEDS, BATCH),
        "sampled": torch.rand(SEEDS, SAMPLES, rows, ACTION) * 2 - 1,
        "density": torch.randn(SEEDS, SAMPLES, rows),
        "alpha": torch.tensor([0.5, 5.0]),
    }
    return {name: part.to(kind) for name, part in parts.items()}


def plain(critic: Network, observation, action, target, sampled, density, alpha) -> tuple[Tensor, Tensor, Tensor]:
    """Error, gap and data values of the plain equations; the gradients come into the critic by autograd."""

    def values(x: Tensor) -> Tensor:
        return critic(x)[..., 0].unflatten(0, (-1, CRITICS))

    q_data = values(torch.cat([observation, action], -1))
    samples, rows = density.shape[1:]
    states = observation[:, None, :rows].expand(-1, samples, -1, -1)
    q_sampled = values(torch.cat([states, sampled], -1).flatten(1, 2)).unflatten(-1, (samples, rows))
    gap = eq.sampled_gap(q_sampled, density[:, None], q_data[..., :rows]).mean(-1)
    error = eq.squared_error(q_data, target[:, None])
    (error.sum(-1) + alpha * gap.sum(-1)).sum().backward()
    return error.detach(), gap.detach(), q_data.detach()


def distance(found: Tensor, wanted: Tensor) -> float:
    """Norm of the difference over the norm of what is wanted."""
    return ((found - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("rows", [BATCH, 7])
@pytest.mark.parametrize("tile_bytes", [2**21, 35 * 16 * 4, 1])
@pytest.mark.parametrize(
    ("kind", "half", "tolerance"),
    [(torch.float64, False, 1e-12), (torch.float32, False, 1e-5)],
)
def test_same_loss_and_gradient_as_autograd(layer_norm, rows, tile_bytes, kind, half, tolerance, monkeypatch) -> None:
    """Every part of the loss and every parameter's gradient; a gap on all states or some; one tile or many."""
    monkeypatch.setattr(fast, "TILE_BYTES", tile_bytes)
    wanted, critic = network(layer_norm, torch.float64), network(layer_norm, kind)
    truth = plain(wanted, **batch(rows, torch.float64))
    critic.values.grad.fill_(math.nan)  # what a step before left there must not matter
    found = fast.ConservativeCritic(critic, half).gradient(**batch(rows, kind))
    for one, true in zip((found.error, found.gap, found.q_data), truth, strict=True):
        assert distance(one, true) < tolerance
    for layer, true in zip(critic.layers, wanted.layers, strict=True):
        for part, true_part in zip(layer, true, strict=True):
            assert distance(part.grad, true_part.grad) < tolerance


@pytest.mark.parametrize("layer_norm", [False, True])
def test_half_precision_keeps_the_direction_of_the_gradient(layer_norm) -> None:
    """With 8 bits of mantissa values stay within a hundredth, and the gradient within 11 degrees (cosine 0.98).

    The gap's gradient is a difference of nearly equal activations of one state, so it loses more than the values do.
    """
    wanted, critic = network(layer_norm, torch.float64), network(layer_norm, torch.float32)
    truth = plain(wanted, **batch(BATCH, torch.float64))
    found = fast.ConservativeCritic(critic, half=True).gradient(**batch(BATCH, torch.float32))
    for one, true in zip((found.error, found.gap, found.q_data), truth, strict=True):
        assert distance(one, true) < 0.01
    for row, true_row in zip(critic.values.grad, wanted.values.grad, strict=True):
        assert torch.cosine_similarity(row, true_row, dim=0) > 0.98


def test_zero_density_is_the_gap_of_cql_rho() -> None:
    """CQL(rho)'s gap is the sampled one with every density 1."""
    critic, parts = network(False, torch.float64), batch(BATCH, torch.float64)
    parts["density"] = torch.zeros_like(parts["density"])
    found = fast.ConservativeCritic(critic).gradient(**parts)
    states = parts["observation"][:, None].expand(-1, SAMPLES, -1, -1)
    x = per_network(torch.cat([states, parts["sampled"]], -1).flatten(1, 2), CRITICS)
    values = critic(x)[..., 0].unflatten(0, (-1, CRITICS)).unflatten(-1, (SAMPLES, BATCH))
    assert torch.allclose(found.gap, eq.policy_gap(values, found.q_data).mean(-1))
