"""Every sub-model's loss reaches exactly the parameters that it must, and no other."""

import pytest
import torch

from sfsc.aggregation.aggregators.sum import Sum
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.errors import DivergenceError
from sfsc.losses.base_losses.softmax import build as softmax
from sfsc.losses.objective import has_compatible_loss
from sfsc.networks.build import EmbeddingNetwork
from sfsc.training.build import OPTIMIZERS
from sfsc.training.model import IdentityModel
from sfsc.training.reference import Reference
from sfsc.training.step import apply_update, check_finite, compute_gradients

from sections import loss_section, train_section

WIDTHS = (0.25, 0.5, 1.0)


def identity_model(widths: tuple[float, ...]) -> IdentityModel:
    """Return a small model in training mode."""
    network = EmbeddingNetwork("small_resnet", widths=widths, embedding_dim=8, image_channels=3)
    base_loss = softmax(loss_section())
    return IdentityModel(network, embedding_dim=8, identities=5, base_loss=base_loss).train()


@pytest.fixture
def model() -> IdentityModel:
    """A small model in training mode."""
    return identity_model(WIDTHS)


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


def changed_rows(model, batch, before: dict, after: dict, reference=None) -> list[bool]:
    """Return which sub-models' gradients differ between two loss sections."""
    first, second = (
        compute_gradients(
            model, *batch, loss=loss_section(**section), kl_weight=1e-3, reference=reference
        ).jacobian.rows
        for section in (before, after)
    )
    name = "network.projection.weight"
    return [not torch.equal(a[name], b[name]) for a, b in zip(first, second, strict=True)]


@pytest.mark.parametrize("part", [{"triplet_weight": 0.0}, {"compatible_weight": 0.0}])
def test_each_part_of_the_loss_is_differentiated(model, batch, part: dict[str, float]):
    """Turning a part off changes the gradient of each sub-model that has it, and of no other."""
    has_part = [True, True, "compatible_weight" not in part]
    assert changed_rows(model, batch, {}, part) == has_part


ASYMMETRIC = [
    {"asymmetric": kind, "asymmetric_weight": 1.0}
    for kind in ("regression", "contrastive", "triplet")
]


@pytest.mark.parametrize("section", [{"influence_weight": 1.0}, *ASYMMETRIC])
def test_a_reference_moves_each_network_that_has_one(batch, section):
    """Influence and asymmetric losses draw a network of any width to the frozen reference."""
    model = identity_model((0.25,))
    reference = Reference(identity_model((1.0,)).network.eval(), torch.randn(5, 8))
    assert changed_rows(model, batch, {}, section, reference) == [True]
    assert changed_rows(model, batch, {}, section) == [False]  # nothing to be drawn to


@pytest.mark.parametrize("section", ASYMMETRIC)
def test_sub_models_are_drawn_to_the_full_one(model, batch, section):
    """In a switchable network the asymmetric loss moves the sub-models, the full one by option."""
    assert changed_rows(model, batch, {}, section) == [True, True, False]
    attached = section | {"asymmetric_detach": False}
    assert changed_rows(model, batch, {}, attached) == [True, True, True]
    assert changed_rows(model, batch, section, attached) == [False, False, True]


def test_an_attached_target_is_differentiated_through(model, batch):
    """The sum of the rows is the gradient of the sum of all losses."""
    section = loss_section(
        compatible_weight=0.0,
        triplet_weight=0.0,
        asymmetric_weight=2.0,
        asymmetric_detach=False,
        classifier_gradient="all",
    )
    rows = compute_gradients(model, *batch, loss=section, kl_weight=0.0).jacobian.rows
    images, labels = batch
    outputs = [model(images, switch) for switch in range(3)]
    target = torch.nn.functional.normalize(outputs[2][0].embedding)
    total = sum(
        torch.nn.functional.cross_entropy(z, labels, label_smoothing=0.1) for _, z in outputs
    )
    for embeddings, _ in outputs[:2]:
        unit = torch.nn.functional.normalize(embeddings.embedding)
        total = total + 2.0 * (unit - target).square().sum(dim=1).mean()
    total.backward()
    for name, parameter in model.named_parameters():
        joint = torch.zeros_like(parameter)
        for row in rows:
            if name in row:
                joint[tuple(slice(n) for n in row[name].shape)] += row[name]
        torch.testing.assert_close(joint, parameter.grad, rtol=1e-3, atol=1e-5)


def test_the_base_loss_of_sub_models_has_a_weight(model, batch):
    """It is of all sub-models but the full one."""
    assert changed_rows(model, batch, {}, {"submodel_base_weight": 0.5}) == [True, True, False]


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


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_that_is_not_finite_changes_nothing(model, batch, optimizer: str):
    """Neither the weights nor the optimizer's state: the next step is as if it came first."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    jacobian = compute_gradients(model, *batch, loss=loss_section(), kl_weight=1e-3).jacobian
    infinite = NestedJacobian([{n: g * torch.inf for n, g in row.items()} for row in jacobian.rows])
    ends = []
    for rows in ([jacobian], [infinite, jacobian]):
        model.load_state_dict(before, strict=False)
        moving = OPTIMIZERS[optimizer](model, train_section())
        for row in rows:
            apply_update(
                model, row, aggregator=Sum(), optimizer=moving, gradient_clip=0.0,
                generator=torch.Generator(), is_finite=torch.tensor(row is jacobian),
            )  # fmt: skip
            if row is infinite:
                assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
        ends.append({name: p.detach().clone() for name, p in model.named_parameters()})
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in before)
    assert not all(torch.equal(ends[0][name], before[name]) for name in before)


def test_a_loss_that_is_not_finite_is_named():
    """Step, loss and sub-model are in the sentence."""
    with pytest.raises(DivergenceError) as error:
        check_finite([1.0, float("nan")], step=7, widths=[0.5, 1.0])
    assert str(error.value) == (
        "Every loss must stay finite. Found `loss = nan` of sub-model 1 (width 1.0) at step 7; "
        "lower `train.learning_rate` or raise `train.warmup`."
    )
