"""The compatible loss against a naive loop, its gradient in float64, and extreme logits."""

import math

import pytest
import torch
from scipy.special import gammaln, psi
from torch.autograd import gradcheck

from sfsc.losses.evidential import (
    EVIDENCE,
    EXP_LIMIT,
    cross_entropy_risk,
    dirichlet,
    misleading_evidence,
    uncertainty,
)
from sfsc.losses.terms.compatible import compatible_loss, rising_weight

MARKET_IDENTITIES, MSMT_IDENTITIES = 751, 1041


def naive_compatible_loss(alpha: list[list[float]], labels: list[int], kl_weight: float) -> float:
    """The equation of DESIGN.md 2.2, term by term, with SciPy's special functions."""
    total = 0.0
    for row, label in zip(alpha, labels, strict=True):
        total += psi(sum(row)) - psi(row[label])
        others = [1.0 if k == label else a for k, a in enumerate(row)]
        s = sum(others)
        kl = gammaln(s) - gammaln(len(others)) - sum(gammaln(a) for a in others)
        kl += sum((a - 1.0) * (psi(a) - psi(s)) for a in others)
        total += kl_weight * kl
    return total / len(labels)


@pytest.mark.parametrize("evidence", EVIDENCE)
class TestCompatibleLoss:
    """The evidential compatible loss with each evidence function."""

    def test_equals_the_naive_loop(self, evidence: str):
        """It is the equation of DESIGN.md 2.2."""
        logits, labels = torch.randn(5, 7, dtype=torch.float64), torch.tensor([0, 6, 3, 3, 1])
        alpha = dirichlet(logits, evidence=evidence)
        expected = naive_compatible_loss(alpha.tolist(), labels.tolist(), 0.3)
        found = compatible_loss(alpha, labels, kl_weight=0.3)
        assert found.item() == pytest.approx(expected, rel=1e-9)

    def test_gradient(self, evidence: str):
        """Its gradient agrees with finite differences."""
        logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
        labels = torch.tensor([0, 3, 1])

        def loss(z: torch.Tensor) -> torch.Tensor:
            return compatible_loss(dirichlet(z, evidence=evidence), labels, kl_weight=0.3)

        assert gradcheck(loss, (logits,))

    @pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e2, 1e4])
    def test_extreme_logits_stay_finite(self, evidence: str, scale: float):
        """Loss and gradient are finite for 1,041 identities and logits of any scale."""
        logits = (scale * torch.randn(8, MSMT_IDENTITIES)).requires_grad_()
        labels = torch.arange(8)
        loss = compatible_loss(dirichlet(logits, evidence=evidence), labels, kl_weight=1.0)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()

    def test_half_precision_logits_are_widened(self, evidence: str):
        """Whatever the autocast, the Dirichlet parameters are float32."""
        alpha = dirichlet(torch.randn(2, 3, dtype=torch.bfloat16), evidence=evidence)
        assert alpha.dtype == torch.float32

    def test_belief_and_uncertainty_sum_to_one(self, evidence: str):
        """`sum_k b_k + u = 1`."""
        alpha = dirichlet(torch.randn(6, 9, dtype=torch.float64), evidence=evidence)
        belief = (alpha - 1.0) / alpha.sum(dim=1, keepdim=True)
        torch.testing.assert_close(
            belief.sum(dim=1) + uncertainty(alpha), torch.ones(6, dtype=torch.float64)
        )


def test_the_gradient_grows_with_uncertainty():
    """Less evidence for everything: higher uncertainty and a larger gradient (claim C7)."""
    labels = torch.tensor([0])
    evidence = torch.tensor([3.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    norms, uncertainties = [], []
    for scale in (100.0, 30.0, 10.0, 3.0, 1.0, 0.3):
        alpha = (1.0 + scale * evidence)[None].requires_grad_()
        compatible_loss(alpha, labels, kl_weight=0.0).backward()
        norms.append(alpha.grad.norm().item())
        uncertainties.append(uncertainty(alpha.detach()).item())
    assert uncertainties == sorted(uncertainties)
    assert norms == sorted(norms)


def test_values_at_zero_logits():
    """Without any evidence learnt, softplus gives the known risk and uncertainty at C = 751."""
    alpha = dirichlet(torch.zeros(1, MARKET_IDENTITIES), evidence="softplus")
    assert uncertainty(alpha).item() == pytest.approx(1.0 / (1.0 + math.log(2.0)), rel=1e-5)
    risk = cross_entropy_risk(alpha, torch.tensor([0])).item()
    assert risk == pytest.approx(6.94, abs=0.005)


def test_no_misleading_evidence_no_divergence():
    """The KL term is 0 where only the true identity has evidence."""
    alpha = torch.tensor([[50.0, 1.0, 1.0]], dtype=torch.float64)
    assert misleading_evidence(alpha, torch.tensor([0])).item() == pytest.approx(0.0, abs=1e-12)


def test_exp_evidence_is_clamped():
    """Beyond the limit evidence no longer grows."""
    logits = torch.tensor([[EXP_LIMIT, EXP_LIMIT + 100.0]])
    alpha = dirichlet(logits, evidence="exp")
    assert alpha[0, 0] == alpha[0, 1]


def test_kl_weight_rises_linearly_and_stays():
    """lambda_t is 0 at first, linear on the ramp, then constant; no ramp starts at the end."""
    weights = [rising_weight(t, weight=2.0, ramp=0.5) for t in (0.0, 0.25, 0.5, 1.0)]
    assert weights == [0.0, 1.0, 2.0, 2.0]
    assert rising_weight(0.0, weight=2.0, ramp=0.0) == 2.0


def test_a_recorded_step_has_the_same_weight():
    """A progress in a tensor, as recorded steps have it, gives the weight of a number."""
    for progress in (0.0, 0.3, 0.9):
        tensor = rising_weight(torch.tensor(progress).double(), weight=0.7, ramp=0.4)
        number = rising_weight(torch.tensor(progress).double().item(), weight=0.7, ramp=0.4)
        assert tensor.item() == number
