"""The compatible loss: an uncertain sub-model gets a larger gradient (DESIGN.md 2.2, paper).

    L_c = sum_k y_k (digamma(S) - digamma(alpha_k)) + lambda_t KL(Dir(alpha~) || Dir(1))

alpha comes from a sub-model's logits through the classifier of the full model, so that the
sub-model's embeddings gather evidence in the full model's metric space.
"""

from typing import ClassVar, Literal

from torch import Tensor

from sfsc.losses.base import BaseLoss
from sfsc.losses.evidential import (
    DEFAULT_EVIDENCE,
    Evidence,
    cross_entropy_risk,
    dirichlet,
    misleading_evidence,
)
from sfsc.losses.term import Outputs, Term
from sfsc.settings.section import Positive, Section, Share, TermSettings


class Divergence(Section):
    """The KL term, which removes evidence for wrong identities."""

    weight: Positive = 5.0e-5
    """lambda_t at the end of the ramp."""
    ramp: Share = 0.5
    """Share of the training over which lambda_t rises linearly from 0."""


class Settings(TermSettings):
    """The evidential loss of all sub-models but the full one."""

    needs: ClassVar[Literal["submodels"]] = "submodels"

    evidence: Evidence = DEFAULT_EVIDENCE
    """Evidence function e(z)."""
    kl: Divergence | None = Divergence()
    """The KL term; null leaves it out."""


def compatible_loss(alpha: Tensor, labels: Tensor, *, kl_weight: float | Tensor) -> Tensor:
    """Return the mean evidential compatible loss of a batch.

    Args:
        alpha: Dirichlet parameters of a sub-model, shape (B, C).
        labels: Identities, int64 in [0, C), shape (B,).
        kl_weight: lambda_t, at least 0.

    Returns:
        Scalar.

    >>> import torch
    >>> alpha = dirichlet(torch.tensor([[2.0, 0.0, 0.0]]), evidence="softplus")
    >>> compatible_loss(alpha, torch.tensor([0]), kl_weight=0.1)
    tensor(0.8429)
    """
    risk = cross_entropy_risk(alpha, labels)
    return (risk + kl_weight * misleading_evidence(alpha, labels)).mean()


def rising_weight(progress: float | Tensor, *, weight: float, ramp: float) -> float | Tensor:
    """Return lambda_t: linear from 0 to `weight` over the first share `ramp` of the training.

    Args:
        progress: Share of the training that is done, in [0, 1].
        weight: Final weight.
        ramp: Share of the training over which it rises; 0 starts at the final weight.

    >>> [rising_weight(t, weight=1.0, ramp=0.5) for t in (0.0, 0.25, 0.5, 1.0)]
    [0.0, 0.5, 1.0, 1.0]
    """
    if ramp == 0:
        return weight
    share = progress / ramp
    return weight * (share.clamp(max=1.0) if isinstance(share, Tensor) else min(1.0, share))


class Compatible(Term):
    """The compatible loss of every sub-model but the full one.

    Args:
        evidence: Evidence function, see `sfsc.losses.evidential`.
        kl_weight: lambda_t at the end of the ramp, at least 0.
        kl_ramp: Share of the training over which lambda_t rises.
    """

    def __init__(self, *, evidence: Evidence, kl_weight: float, kl_ramp: float) -> None:
        self.evidence: Evidence = evidence
        self.kl_weight = kl_weight
        self.kl_ramp = kl_ramp

    def __call__(self, outputs: Outputs, base_loss: BaseLoss) -> Tensor | None:
        """Return the loss of the logits as evidence, None for the full model."""
        del base_loss
        if outputs.is_full:
            return None
        alpha = dirichlet(outputs.logits, evidence=self.evidence)
        kl_weight = rising_weight(outputs.progress, weight=self.kl_weight, ramp=self.kl_ramp)
        return compatible_loss(alpha, outputs.labels, kl_weight=kl_weight)


def build(settings: Settings) -> Compatible:
    """Return the term with these settings."""
    weight, ramp = (settings.kl.weight, settings.kl.ramp) if settings.kl else (0.0, 0.0)
    return Compatible(evidence=settings.evidence, kl_weight=weight, kl_ramp=ramp)
