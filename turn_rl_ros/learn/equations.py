"""The equations of conservative Q-learning, one pure function each (CQL is Kumar et al. 2020)."""

import math

import torch
from torch import Tensor


def bootstrap(reward: Tensor, terminal: Tensor, next_value: Tensor, discount: float) -> Tensor:
    """Bellman target `r + discount * V(s')`, without V where the task ended.

    A truncated episode (time-out) is not terminal: its value goes on. All tensors (batch,).
    """
    return reward + discount * (1.0 - terminal) * next_value


def double_q_value(online: Tensor, target: Tensor) -> Tensor:
    """Target network's value of the online network's arg max (van Hasselt et al. 2016); (..., n_actions) -> (...)."""
    return target.gather(-1, online.argmax(-1, keepdim=True)).squeeze(-1)


def discrete_gap(values: Tensor, action: Tensor) -> Tensor:
    """`logsumexp_a Q(s, a) - Q(s, a_data)`, CQL's eq. 4 for finitely many actions.

    Args:
        values: (..., batch, n_actions).
        action: (batch,) int64.

    Returns:
        (..., batch), never negative.
    """
    return values.logsumexp(-1) - taken_value(values, action)


def taken_value(values: Tensor, action: Tensor) -> Tensor:
    """Value of the action in the data; (..., batch, n_actions) and (batch,) int64 -> (..., batch)."""
    return values.gather(-1, action.expand(values.shape[:-1]).unsqueeze(-1)).squeeze(-1)


def return_bounds(reward: Tensor, discount: float) -> tuple[Tensor, Tensor]:
    """Least and greatest discounted return that rewards like these can add up to; no target may lie outside.

    With an end to the task (a terminal state) the return may stop early, so zero is always inside.
    """
    low, high = reward.min().clamp(max=0.0), reward.max().clamp(min=0.0)
    return low / (1.0 - discount), high / (1.0 - discount)


def sampled_gap(values: Tensor, log_density: Tensor, data_value: Tensor) -> Tensor:
    """CQL(H) for continuous actions: the importance-sampled `log integral exp Q(s, a) da - Q(s, a_data)` (appendix F).

    Args:
        values: (..., samples, batch) values of sampled actions.
        log_density: (samples, batch) log density under which each was drawn.
        data_value: (..., batch) value of the action in the data.

    Returns:
        (..., batch).
    """
    mean = (values - log_density).logsumexp(-2) - math.log(values.shape[-2])
    return mean - data_value


def uniform_log_density(dimensions: int) -> float:
    """Log density of the uniform distribution on [-1, 1]^dimensions."""
    return -dimensions * math.log(2.0)


def temperature_loss(log_temperature: Tensor, log_probability: Tensor, target_entropy: float) -> Tensor:
    """Haarnoja et al. 2018, eq. 18: raises the temperature while the policy's entropy is below `target_entropy`."""
    return -log_temperature * (log_probability.detach().mean() + target_entropy)


def actor_loss(value: Tensor, log_probability: Tensor, temperature: Tensor) -> Tensor:
    """Soft actor loss, mean of `temperature * log pi - Q` (Haarnoja et al. 2018, eq. 7)."""
    return (temperature.detach() * log_probability - value).mean()


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Half the mean squared Bellman error, summed over critics; (E, batch) against (batch,) or (E, batch)."""
    return 0.5 * (prediction - target).square().mean(-1).sum()


def spread(values: Tensor) -> Tensor:
    """Standard deviation with a floor, so that a constant input normalises to zero instead of dividing by zero."""
    return torch.where(values.std(0) > 1e-3, values.std(0), torch.ones(values.shape[1:]))
