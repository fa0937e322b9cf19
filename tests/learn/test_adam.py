"""Adam against its own formula and against torch's."""

import math

import pytest
import torch

from turn_rl_ros.learn.adam import Adam


def learner(values: list[float]) -> tuple[torch.Tensor, Adam]:
    """A tensor and what moves it."""
    tensor = torch.tensor(values)
    tensor.grad = torch.zeros_like(tensor)
    return tensor, Adam(tensor)


def test_two_steps_by_hand() -> None:
    """Gradients 2 then -1: m = 0.2, 0.08; v = 0.004, 0.004996; each corrected by 1 - beta^t."""
    values, adam = learner([1.0])
    values.grad.fill_(2.0)
    adam.step(0.1)
    assert values.item() == pytest.approx(0.9, rel=1e-6)
    values.grad.fill_(-1.0)
    adam.step(0.1)
    moved = 0.1 * (0.08 / (1 - 0.9**2)) / math.sqrt(0.004996 / (1 - 0.999**2))
    assert values.item() == pytest.approx(0.9 - moved, rel=1e-5)
    assert adam.steps == 2


def test_the_same_as_torch() -> None:
    """A hundred steps on random gradients with a falling rate."""
    torch.manual_seed(0)
    values, adam = learner([0.5] * 40)
    other = values.clone().requires_grad_()
    theirs = torch.optim.Adam([other])
    for step in range(100):
        values.grad.normal_()
        other.grad = values.grad.clone()
        theirs.param_groups[0]["lr"] = 0.01 / (1 + step)
        adam.step(0.01 / (1 + step))
        theirs.step()
    torch.testing.assert_close(values, other.detach(), rtol=1e-5, atol=1e-6)


def test_goes_on_from_a_state() -> None:
    """The copy takes the same next step, bit for bit."""
    values, adam = learner([1.0, -2.0])
    values.grad.copy_(torch.tensor([3.0, -1.0]))
    adam.step(0.1)
    again, other = learner(values.tolist())
    other.restore({name: part.clone() for name, part in adam.state().items()})
    again.grad.copy_(values.grad)
    adam.step(0.1)
    other.step(0.1)
    assert torch.equal(values, again)
