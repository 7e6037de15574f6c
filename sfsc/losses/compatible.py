"""The compatible loss: uncertain sub-models get the larger gradient (DESIGN.md 2.2, paper).

    L_c = sum_k y_k (digamma(S) - digamma(alpha_k)) + lambda_t KL(Dir(alpha~) || Dir(1))

alpha comes from a sub-model's logits through the classifier of the full model, so that its
embeddings gather evidence in the full model's metric space. The gradient grows with the uncertainty
u = C / S: a sub-model has priority while it is uncertain, which settles conflicts in magnitude.
"""

from torch import Tensor

from sfsc.losses.evidential import cross_entropy_risk, misleading_evidence


def compatible_loss(alpha: Tensor, labels: Tensor, *, kl_weight: float | Tensor) -> Tensor:
    """Return the mean evidential compatible loss of a batch.

    Args:
        alpha: Dirichlet parameters of a sub-model, shape (B, C).
        labels: Identities, int64 in [0, C), shape (B,).
        kl_weight: lambda_t, at least 0.

    Returns:
        Scalar.
    """
    risk = cross_entropy_risk(alpha, labels)
    return (risk + kl_weight * misleading_evidence(alpha, labels)).mean()


def rising_kl_weight(progress: float, *, kl_weight: float, ramp: float) -> float:
    """Return lambda_t: linear from 0 to `kl_weight` over the first share `ramp` of the training.

    Args:
        progress: Share of the training that is done, in [0, 1].
        kl_weight: Final weight.
        ramp: Share of the training over which it rises; 0 starts at the final weight.

    >>> [rising_kl_weight(t, kl_weight=1.0, ramp=0.5) for t in (0.0, 0.25, 0.5, 1.0)]
    [0.0, 0.5, 1.0, 1.0]
    """
    return kl_weight * (1.0 if ramp == 0 else min(1.0, progress / ramp))
