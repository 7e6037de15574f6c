"""The compatible loss against a naive loop, its gradient in float64, and extreme logits."""

import math

import pytest
import torch
from scipy.special import gammaln, psi
from torch.autograd import gradcheck
from torch.nn import functional

from sfsc.errors import ConfigError
from sfsc.losses.evidential import (
    EVIDENCE,
    EXP_LIMIT,
    cross_entropy_risk,
    dirichlet,
    misleading_evidence,
    missing_evidence,
    uncertainty,
)
from sfsc.losses.terms.compatible import Settings, compatible_loss, rising_weight
from sfsc.settings.problems import validate

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


def by_uncertainty(evidence: str, *, is_corrected: bool) -> tuple[list[float], list[float]]:
    """Return mean uncertainties and mean gradient norms in the logits as all evidence falls."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(256, 126, dtype=torch.float64, generator=generator)
    logits[:, 0] += 2.0
    labels = torch.zeros(256, dtype=torch.int64)
    uncertainties, norms = [], []
    for shift in torch.arange(8.0, -18.0, -1.0):
        z = (logits + shift).requires_grad_()
        alpha = dirichlet(z, evidence=evidence)
        loss = cross_entropy_risk(alpha, labels)
        if is_corrected:
            loss = loss + missing_evidence(z, labels, evidence=evidence)
        (gradient,) = torch.autograd.grad(loss.sum(), z)
        uncertainties.append(uncertainty(alpha).mean().item())
        norms.append(gradient.norm(dim=1).mean().item())
    assert uncertainties == sorted(uncertainties)
    return uncertainties, norms


@pytest.mark.parametrize("evidence", ["softplus", "relu"])
def test_the_gradient_in_the_logits_grows_with_uncertainty_up_to_a_point(evidence: str):
    """Up to u = 0.8 less evidence means a larger gradient; with none at all it vanishes (C7)."""
    uncertainties, norms = by_uncertainty(evidence, is_corrected=False)
    rising = [norm for u, norm in zip(uncertainties, norms, strict=True) if u <= 0.8]
    assert len(rising) > 5
    assert rising == sorted(rising)
    assert rising[-1] > 3 * rising[0]
    assert norms[-1] < 1e-3


def test_correct_evidence_keeps_the_gradient_of_uncertain_samples():
    """It grows with u as without it and, with no evidence at all, stays about u."""
    uncertainties, norms = by_uncertainty("softplus", is_corrected=True)
    rising = [norm for u, norm in zip(uncertainties, norms, strict=True) if u <= 0.95]
    assert rising == sorted(rising)
    assert all(n > 0.9 * max(norms) for u, n in zip(uncertainties, norms, strict=True) if u > 0.95)
    assert norms[-1] == pytest.approx(uncertainties[-1], rel=1e-3)


def test_with_exp_evidence_it_is_cross_entropy_again():
    """Its gradient is that of cross-entropy while there is evidence, and it falls with u."""
    _, norms = by_uncertainty("exp", is_corrected=False)
    assert norms == sorted(norms, reverse=True)
    z = (6.0 + torch.randn(64, 126, dtype=torch.float64)).requires_grad_()
    labels = torch.arange(64)
    risk = cross_entropy_risk(dirichlet(z, evidence="exp"), labels)
    (ours,) = torch.autograd.grad(risk.sum(), z)
    (theirs,) = torch.autograd.grad(functional.cross_entropy(z, labels, reduction="sum"), z)
    assert torch.cosine_similarity(ours.flatten(), theirs.flatten(), dim=0) > 0.99
    assert (ours.norm() / theirs.norm()).item() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("evidence", ["softplus", "exp"])
@pytest.mark.parametrize("z", [-200.0, -30.0, 0.0, 20.0, 64.0])
def test_missing_evidence_is_its_definition_at_any_logit(evidence: str, z: float):
    """U log(1 / e_y), finite with a gradient of about -u where there is no evidence."""
    logits = torch.full((1, 5), z, dtype=torch.float64, requires_grad=True)
    found = missing_evidence(logits, torch.tensor([2]), evidence=evidence)
    alpha = dirichlet(logits.detach(), evidence=evidence)
    u, e = uncertainty(alpha).item(), (alpha[0, 2] - 1.0).item()
    expected = u * math.log(1.0 / e) if e > 1e-6 else -u * z
    assert found.item() == pytest.approx(expected, rel=1e-4)
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert torch.isfinite(gradient).all()
    assert (gradient[0, 2] < 0).all()
    if z < -20:
        assert gradient[0, 2].item() == pytest.approx(-u, rel=1e-3)


@pytest.mark.parametrize("scale", [16.0, 30.0, 64.0])
def test_scaled_cosines_have_a_gradient(scale: float):
    """No cosine between -1 and 1 lies where evidence no longer moves (audit D8)."""
    z = (scale * torch.linspace(-1.0, 1.0, 41))[None].repeat(2, 1).requires_grad_()
    labels = torch.tensor([0, 31])
    compatible_loss(dirichlet(z, evidence="exp"), labels, kl_weight=0.0).backward()
    assert (z.grad[0, 0] < 0).all()
    assert (z.grad[:, -1] > 0).all()


def test_relu_has_no_correct_evidence():
    """A logarithm of zero evidence is refused before any training."""
    with pytest.raises(ConfigError, match="`correct_evidence` must be false with `evidence: relu`"):
        validate(Settings, {"evidence": "relu", "correct_evidence": True}, source="x")


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


def test_exp_evidence_goes_on_as_its_tangent():
    """Beyond the limit evidence is linear: continuous, with the slope that it has there."""
    logits = torch.tensor([[EXP_LIMIT, EXP_LIMIT + 1.0, EXP_LIMIT + 3.0]], dtype=torch.float64)
    e = dirichlet(logits, evidence="exp")[0] - 1.0
    torch.testing.assert_close(e / math.exp(EXP_LIMIT), torch.tensor([1.0, 2.0, 4.0]).double())


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
