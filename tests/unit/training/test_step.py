"""Every sub-model's loss reaches exactly the parameters that it must, and no other."""

import pytest
import torch

from sfsc.aggregation.sum import Sum
from sfsc.errors import DivergenceError
from sfsc.losses.objective import has_compatible_loss
from sfsc.networks.build import EmbeddingNetwork
from sfsc.training.loop import OPTIMIZERS
from sfsc.training.model import IdentityModel
from sfsc.training.step import apply_update, check_finite, compute_gradients

from sections import loss_section, train_section

WIDTHS = (0.25, 0.5, 1.0)


@pytest.fixture
def model() -> IdentityModel:
    """A small model in training mode."""
    network = EmbeddingNetwork("small_resnet", widths=WIDTHS, embedding_dim=8, image_channels=3)
    return IdentityModel(network, embedding_dim=8, identities=5).train()


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Ten images of five identities."""
    return torch.randn(10, 3, 16, 16), torch.arange(10) // 2


@pytest.mark.parametrize("classifier_gradient", ["full", "all"])
def test_rows_hold_exactly_the_blocks_of_their_sub_model(model, batch, classifier_gradient: str):
    """Row i has each shared block, its own batch norms and no other's, the classifier by option."""
    section = loss_section(classifier_gradient=classifier_gradient)
    rows = compute_gradients(model, *batch, loss=section, kl_weight=1e-3).jacobian.rows
    for switch, row in enumerate(rows):
        private = {name.split("private.")[1][0] for name in row if "private." in name}
        assert private == {str(switch)}
        assert {name: tuple(g.shape) for name, g in row.items() if name != "classifier"} == {
            name: shape for name, shape in model.blocks[switch].items() if name != "classifier"
        }
        assert ("classifier" in row) == (switch == 2 or classifier_gradient == "all")
    named = dict(model.named_parameters())
    assert set(named) == {name for row in rows for name in row}


@pytest.mark.parametrize("classifier_gradient", ["full", "all"])
def test_every_loss_reaches_every_parameter_it_must(model, batch, classifier_gradient: str):
    """No tensor of any row is zero: nothing is logged without being differentiated."""
    section = loss_section(classifier_gradient=classifier_gradient)
    rows = compute_gradients(model, *batch, loss=section, kl_weight=1e-3).jacobian.rows
    still = {
        (switch, name)
        for switch, row in enumerate(rows)
        for name, gradient in row.items()
        if not gradient.abs().sum() > 0
    }
    assert still == set()


@pytest.mark.parametrize(
    "part", [{"triplet_weight": 0.0}, {"compatible_weight": 0.0}, {"label_smoothing": 0.0}]
)
def test_each_part_of_the_loss_is_differentiated(model, batch, part: dict[str, float]):
    """Turning a part off changes the gradient of each sub-model that has it, and of no other."""
    rows = compute_gradients(model, *batch, loss=loss_section(), kl_weight=1e-3).jacobian.rows
    without = compute_gradients(
        model, *batch, loss=loss_section(**part), kl_weight=1e-3
    ).jacobian.rows
    name = "network.projection.weight"
    changed = [not torch.equal(a[name], b[name]) for a, b in zip(rows, without, strict=True)]
    assert changed == [True, True, "compatible_weight" not in part]


def test_gradients_equal_those_of_the_switched_network(model, batch):
    """Differentiating with respect to blocks is differentiating the padded parameter."""
    section = loss_section(classifier_gradient="all", compatible_weight=0.0, triplet_weight=0.0)
    rows = compute_gradients(model, *batch, loss=section, kl_weight=0.0).jacobian.rows
    images, labels = batch
    for switch, row in enumerate(rows):
        model.zero_grad()
        _, logits = model(images, switch)
        torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1).backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is None:
                assert name not in row
                continue
            block = tuple(slice(n) for n in row[name].shape)
            torch.testing.assert_close(row[name], parameter.grad[block], rtol=1e-4, atol=1e-6)
            parameter.grad[block] = 0.0
            assert not parameter.grad.any()


@pytest.mark.parametrize(
    ("compatible_on", "expected"), [("submodels", [True, True, False]), ("all", [True] * 3)]
)
def test_the_full_model_has_the_compatible_loss_by_option(model, batch, compatible_on, expected):
    """The compatible loss is on the sub-models, or on all."""
    section = loss_section(compatible_on=compatible_on)
    objectives = compute_gradients(model, *batch, loss=section, kl_weight=1e-3).objectives
    assert [bool(o.compatible > 0) for o in objectives] == expected
    assert [has_compatible_loss(section, is_full=i == 2) for i in range(3)] == expected


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_moves_every_parameter(model, batch, optimizer: str):
    """After one update no parameter is where it was."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    apply_update(
        model,
        compute_gradients(model, *batch, loss=loss_section(), kl_weight=1e-3).jacobian,
        aggregator=Sum(),
        optimizer=OPTIMIZERS[optimizer](model, train_section()),
        gradient_clip=1.0,
        generator=torch.Generator(),
    )
    assert [n for n, p in model.named_parameters() if torch.equal(p, before[n])] == []


def test_a_loss_that_is_not_finite_is_named():
    """Step, loss and sub-model are in the sentence."""
    with pytest.raises(DivergenceError) as error:
        check_finite([1.0, float("nan")], step=7, widths=[0.5, 1.0])
    assert str(error.value) == (
        "Every loss must stay finite. Found `loss = nan` of sub-model 1 (width 1.0) at step 7; "
        "lower `train.learning_rate` or raise `train.warmup`."
    )
