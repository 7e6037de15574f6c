"""The compatible loss: an uncertain sub-model gets a larger gradient (DESIGN.md 2.2, paper).

    L_c = sum_k y_k (digamma(S) - digamma(alpha_k)) + lambda_t KL(Dir(alpha~) || Dir(1))
          + c u log(1 / e_y)

alpha comes from a sub-model's logits through the classifier of the full model, so that the
sub-model's embeddings gather evidence in the full model's metric space.

How the gradient in the logits grows with the uncertainty u depends on the evidence function. With
softplus and c = 0 it grows up to about u = 0.8 and vanishes beyond, where there is no evidence at
all; c = 1 (Pandey and Yu, arXiv 2306.11113) keeps it at size u there. With exp and c = 0 the loss
is cross-entropy again: alpha = e^z + 1 makes digamma(S) - digamma(alpha_y) about
log(C + sum e^z) - log(1 + e^z_y), and its gradient falls with u.
"""

from typing import ClassVar, Literal, Self

from pydantic import model_validator
from torch import Tensor

from sfsc.losses.base import BaseLoss
from sfsc.losses.evidential import (
    DEFAULT_EVIDENCE,
    Evidence,
    cross_entropy_risk,
    dirichlet,
    misleading_evidence,
    missing_evidence,
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
    correct_evidence: bool = False
    """c: whether a sample without evidence keeps a gradient, of size u; not with `relu`."""

    @model_validator(mode="after")
    def _check_evidence(self) -> Self:
        if self.correct_evidence and self.evidence == "relu":
            raise ValueError(
                "`correct_evidence` must be false with `evidence: relu`, which has no logarithm "
                "where it is 0. Found `correct_evidence = true`."
            )
        return self


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
        correct_evidence: c, whether a sample without evidence keeps a gradient.
    """

    def __init__(
        self,
        *,
        evidence: Evidence,
        kl_weight: float = 0.0,
        kl_ramp: float = 0.0,
        correct_evidence: bool = False,
    ) -> None:
        self.evidence: Evidence = evidence
        self.kl_weight = kl_weight
        self.kl_ramp = kl_ramp
        self.correct_evidence = correct_evidence

    def __call__(self, outputs: Outputs, base_loss: BaseLoss) -> Tensor | None:
        """Return the loss of the logits as evidence, None for the full model."""
        del base_loss
        if outputs.is_full:
            return None
        alpha = dirichlet(outputs.logits, evidence=self.evidence)
        kl_weight = rising_weight(outputs.progress, weight=self.kl_weight, ramp=self.kl_ramp)
        loss = compatible_loss(alpha, outputs.labels, kl_weight=kl_weight)
        if self.correct_evidence:
            missing = missing_evidence(outputs.logits, outputs.labels, evidence=self.evidence)
            loss = loss + missing.mean()
        return loss


def build(settings: Settings) -> Compatible:
    """Return the term with these settings."""
    weight, ramp = (settings.kl.weight, settings.kl.ramp) if settings.kl else (0.0, 0.0)
    return Compatible(
        evidence=settings.evidence,
        kl_weight=weight,
        kl_ramp=ramp,
        correct_evidence=settings.correct_evidence,
    )
