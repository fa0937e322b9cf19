"""Equations that several algorithms share, one pure function each (CQL is Kumar et al. 2020).

Leading dimensions are seeds and, where there are twins, critics; the batch comes last unless said otherwise.
"""

import math

from torch import Tensor


def bootstrap(reward: Tensor, terminal: Tensor, next_value: Tensor, discount: float) -> Tensor:
    """Bellman target `r + discount * V(s')`, without V where the task ended.

    A truncated episode (time-out) is not terminal: its value goes on. All tensors (..., batch). A `terminal` between 0
    and 1 is the share of V that does not count: that is how n-step returns come in (`replay.Replay.batch`).
    """
    return reward + discount * (1.0 - terminal) * next_value


def double_q_value(online: Tensor, target: Tensor) -> Tensor:
    """Target network's value of the online network's arg max (van Hasselt et al. 2016); (..., n_actions) -> (...)."""
    return target.gather(-1, online.argmax(-1, keepdim=True)).squeeze(-1)


def discrete_gap(values: Tensor, action: Tensor) -> Tensor:
    """`logsumexp_a Q(s, a) - Q(s, a_data)`, CQL's eq. 4 for finitely many actions.

    Args:
        values: (..., batch, n_actions).
        action: (..., batch) int64.

    Returns:
        (..., batch), never negative.
    """
    return values.logsumexp(-1) - taken_value(values, action)


def taken_value(values: Tensor, action: Tensor) -> Tensor:
    """Value of the action in the data; (..., batch, n_actions) and (..., batch) int64 -> (..., batch)."""
    return values.gather(-1, action.expand(values.shape[:-1]).unsqueeze(-1)).squeeze(-1)


def return_bounds(low: float, high: float, discount: float) -> tuple[float, float]:
    """Least and greatest discounted return that rewards in [low, high] can add up to; no true value lies outside.

    With an end to the task (a terminal state) the return may stop early, so zero is always inside.
    """
    return min(low, 0.0) / (1.0 - discount), max(high, 0.0) / (1.0 - discount)


def sampled_gap(values: Tensor, log_density: Tensor, data_value: Tensor) -> Tensor:
    """CQL(H) for continuous actions: the importance-sampled `log integral exp Q(s, a) da - Q(s, a_data)` (appendix F).

    Args:
        values: (..., samples, batch) values of sampled actions.
        log_density: (..., samples, batch) log density under which each was drawn.
        data_value: (..., batch) value of the action in the data.

    Returns:
        (..., batch).
    """
    mean = (values - log_density).logsumexp(-2) - math.log(values.shape[-2])
    return mean - data_value


def uniform_log_density(dimensions: int) -> float:
    """Log density of the uniform distribution on [-1, 1]^dimensions."""
    return -dimensions * math.log(2.0)


def policy_gap(values: Tensor, data_value: Tensor) -> Tensor:
    """CQL(rho) with the current policy as rho (section 3.2): `log mean exp Q(s, a) - Q(s, a_data)`, a from the policy.

    That is the maximum over mu of `E_mu Q - KL(mu, rho)`. Shapes as in `sampled_gap`.
    """
    return values.logsumexp(-2) - math.log(values.shape[-2]) - data_value


def lagrange_loss(alpha: Tensor, gap: Tensor, allowed: float) -> Tensor:
    """CQL's eq. 30: raises alpha (seeds,) while the gap (seeds, critics) is above the allowed one."""
    return -alpha * (gap.detach() - allowed).sum(-1)


def temperature_loss(log_temperature: Tensor, log_probability: Tensor, target_entropy: float) -> Tensor:
    """Haarnoja et al. 2018, eq. 18: raises the temperature (seeds,) while the entropy is below `target_entropy`."""
    return -log_temperature * (log_probability.detach().mean(-1) + target_entropy)


def actor_loss(value: Tensor, log_probability: Tensor, temperature: Tensor) -> Tensor:
    """Soft actor loss, mean of `temperature * log pi - Q` (Haarnoja et al. 2018, eq. 7); (seeds, batch) -> (seeds,)."""
    return (temperature.detach()[..., None] * log_probability - value).mean(-1)


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Half the mean squared Bellman error; (..., batch) -> (...)."""
    return 0.5 * (prediction - target).square().mean(-1)


def cross_entropy(logits: Tensor, action: Tensor) -> Tensor:
    """Mean negative log likelihood of the data's actions; (seeds, batch, n_actions), (seeds, batch) -> (seeds,)."""
    return -taken_value(logits.log_softmax(-1), action).mean(-1)


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """`|expectile - 1(u < 0)| u^2` of u = Q - V, meant (IQL, Kostrikov et al. 2022, eq. 5); (..., batch) -> (...)."""
    below = (difference < 0).to(difference.dtype)
    return ((expectile - below).abs() * difference.square()).mean(-1)


def advantage_weight(advantage: Tensor, scale: float, greatest: float) -> Tensor:
    """`exp(advantage * scale)`, at most `greatest`, without gradient: how much an action is imitated.

    IQL's eq. 7 has it with scale beta; AWAC's eq. 13 with 1 / lambda.
    """
    return (advantage.detach() * scale).exp().clamp(max=greatest)


def gaussian_log_density(action: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Log density of a diagonal Gaussian, summed over the action's dimensions; (..., batch, n) -> (..., batch)."""
    scaled = (action - mean) * (-log_std).exp()
    return (-0.5 * scaled.square() - log_std - 0.5 * math.log(2.0 * math.pi)).sum(-1)


def imitation_error(prediction: Tensor, action: Tensor) -> Tensor:
    """Mean squared distance to the data's action, over batch and dimensions; (..., batch, n) -> (...)."""
    return (prediction - action).square().mean((-2, -1))
