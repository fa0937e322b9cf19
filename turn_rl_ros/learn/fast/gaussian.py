"""Derivatives of the tanh-Gaussian policy."""

import torch
from torch import Tensor

from turn_rl_ros.core.best_of import LOG_STD_HIGH, LOG_STD_LOW
from turn_rl_ros.learn.networks import split_gaussian


def squash_backward(output: Tensor, noise: Tensor, action: Tensor, by_action: Tensor, by_density: Tensor) -> Tensor:
    """Gradient of an actor's output (..., 2 n) through `networks.split_gaussian` and `networks.squash`.

    With u = mean + std * noise the log density's derivative by u is 2 tanh(u), and by the log standard deviation, with
    u kept as it is, -1 (Haarnoja et al. 2018, appendix C).

    Args:
        output: (..., 2 n) of the actor.
        noise: (..., n) as given to `squash`.
        action: (..., n) as `squash` gave it.
        by_action: (..., n) derivative of the loss by the action.
        by_density: (..., 1) derivative of the loss by the log density.
    """
    log_std = split_gaussian(output)[1]
    mean = by_action * (1.0 - action.square()) + 2.0 * by_density * action
    spread = mean * noise * log_std.exp() - by_density
    raw = output.chunk(2, -1)[1]
    inside = (raw >= LOG_STD_LOW) & (raw <= LOG_STD_HIGH)  # as autograd has it for a clamp
    return torch.cat([mean, spread * inside], -1)
