"""Evidence and uncertainty of logits (Sensoy et al., arXiv 1806.01768; DESIGN.md 2.2).

A sub-model's logits are evidence for each identity. Evidence parametrises a Dirichlet distribution
over the identities' probabilities; the mass that no evidence supports is the uncertainty:

    e = evidence(z),  alpha = e + 1,  S = sum_k alpha_k,
    b_k = e_k / S,  u = C / S,  so that sum_k b_k + u = 1
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Evidence = Literal["softplus", "exp", "relu"]
DEFAULT_EVIDENCE: Evidence = "softplus"

EXP_LIMIT = 15.0
"""Logit at which `exp` evidence goes on as its tangent: above what a probability of 0.99 among
1,041 identities needs (11.5), and well below where float32 loses precision in S. Scaled cosines
reach it, so that the gradient must not end there."""


def _exp(logits: Tensor) -> Tensor:
    beyond = (logits - EXP_LIMIT).clamp(min=0.0)
    return logits.clamp(max=EXP_LIMIT).exp() + math.exp(EXP_LIMIT) * beyond


EVIDENCE: dict[Evidence, Callable[[Tensor], Tensor]] = {
    "softplus": functional.softplus,
    "exp": _exp,
    "relu": functional.relu,
}


def dirichlet(logits: Tensor, *, evidence: Evidence) -> Tensor:
    """Return the Dirichlet parameters alpha = evidence(z) + 1.

    Computed in float32 under any autocast, and in float64 if the logits are float64.

    Args:
        logits: z, shape (B, C).
        evidence: `softplus`, `exp` (linear beyond `EXP_LIMIT`) or `relu`.

    Returns:
        Shape (B, C), at least 1.

    >>> dirichlet(torch.tensor([[2.0, -1.0]]), evidence="relu")
    tensor([[3., 1.]])
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return EVIDENCE[evidence](wide) + 1.0


def uncertainty(alpha: Tensor) -> Tensor:
    """Return u = C / S of each sample.

    Args:
        alpha: Dirichlet parameters, shape (B, C).

    Returns:
        Shape (B,), in (0, 1].

    >>> uncertainty(torch.tensor([[1.0, 1.0], [5.0, 3.0]]))
    tensor([1.0000, 0.2500])
    """
    return alpha.shape[1] / alpha.sum(dim=1)


def cross_entropy_risk(alpha: Tensor, labels: Tensor) -> Tensor:
    """Return the expected cross-entropy under Dir(alpha): `digamma(S) - digamma(alpha_y)`.

    Sensoy et al., eq. 4.

    Args:
        alpha: Dirichlet parameters, shape (B, C).
        labels: Identities, shape (B,).

    Returns:
        Shape (B,), at least 0.
    """
    true_alpha = alpha.gather(1, labels[:, None]).squeeze(1)
    return torch.digamma(alpha.sum(dim=1)) - torch.digamma(true_alpha)


def misleading_evidence(alpha: Tensor, labels: Tensor) -> Tensor:
    """Return `KL(Dir(alpha~) || Dir(1))` with `alpha~ = y + (1 - y) * alpha`.

    It is 0 if only the true identity has evidence.

        lgamma(S~) - lgamma(C) - sum_k lgamma(alpha~_k)
          + sum_k (alpha~_k - 1) (digamma(alpha~_k) - digamma(S~)),   S~ = sum_k alpha~_k

    Args:
        alpha: Dirichlet parameters, shape (B, C).
        labels: Identities, shape (B,).

    Returns:
        Shape (B,), at least 0 up to rounding.
    """
    others = alpha.scatter(1, labels[:, None], 1.0)
    total = others.sum(dim=1, keepdim=True)
    normaliser = (
        torch.lgamma(total.squeeze(1))
        - torch.lgamma(total.new_full((), alpha.shape[1]))
        - torch.lgamma(others).sum(dim=1)
    )
    return normaliser + ((others - 1.0) * (torch.digamma(others) - torch.digamma(total))).sum(dim=1)


def missing_evidence(logits: Tensor, labels: Tensor, *, evidence: Evidence) -> Tensor:
    """Return `u log(1 / e_y)`, u without gradient: the true identity's lack of evidence.

    Pandey and Yu, arXiv 2306.11113, eq. 11. Where there is no evidence at all, the risk has no
    gradient; this term has one of size u.

    Args:
        logits: z, shape (B, C).
        labels: Identities, shape (B,).
        evidence: `softplus` or `exp`; `relu` has no logarithm where it is 0.

    Returns:
        Shape (B,), in the type of the logits.

    >>> missing_evidence(torch.tensor([[-9.0, -9.0]]), torch.tensor([0]), evidence="exp")
    tensor([8.9989])
    """
    z = logits.gather(1, labels[:, None]).squeeze(1)
    # Far below 0, evidence is e^z, which would underflow: its logarithm goes on as z.
    log_evidence = EVIDENCE[evidence](z.clamp(min=-10.0)).log() + (z + 10.0).clamp(max=0.0)
    alpha = dirichlet(logits, evidence=evidence).detach()
    return -uncertainty(alpha) * log_evidence
