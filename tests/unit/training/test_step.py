"""Every sub-model's loss reaches exactly the parameters that it must, and no other."""

import pytest
import torch

from sfsc.aggregation.aggregators.sum import Sum
from sfsc.aggregation.jacobian import NestedJacobian
from sfsc.errors import DivergenceError
from sfsc.losses.bases.softmax import Softmax
from sfsc.networks.build import EmbeddingNetwork
from sfsc.training.build import build_criterion, build_optimizer
from sfsc.training.model import IdentityModel
from sfsc.training.reference import Reference
from sfsc.training.step import Gradients, apply_update, check_finite, compute_gradients

from sections import loss_section, train_section

WIDTHS = (0.25, 0.5, 1.0)


def identity_model(widths: tuple[float, ...]) -> IdentityModel:
    """Return a small model in training mode."""
    network = EmbeddingNetwork("small_resnet", widths=widths, embedding_dim=8, image_channels=3)
    base_loss = Softmax(label_smoothing=0.1)
    return IdentityModel(network, embedding_dim=8, identities=5, base_loss=base_loss).train()


@pytest.fixture
def model() -> IdentityModel:
    """A small model in training mode."""
    return identity_model(WIDTHS)


def gradients_of(
    model, batch, *, all_move: bool = False, reference=None, by_uncertainty=False, **loss: object
) -> Gradients:
    """Return losses and gradients half way through a training."""
    return compute_gradients(
        model,
        *batch,
        criterion=build_criterion(loss_section(**loss)),
        progress=0.5,
        all_move_classifier=all_move,
        reference=reference,
        by_uncertainty=by_uncertainty,
    )


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Ten images of five identities."""
    return torch.randn(10, 3, 16, 16), torch.arange(10) // 2


@pytest.mark.parametrize("all_move", [False, True])
def test_rows_hold_exactly_the_blocks_of_their_sub_model(model, batch, all_move: bool):
    """Row i has each shared block, its own batch norms and no other's, the classifier by option."""
    rows = gradients_of(model, batch, all_move=all_move).jacobian.rows
    for switch, row in enumerate(rows):
        private = {name.split("private.")[1][0] for name in row if "private." in name}
        assert private == {str(switch)}
        assert {name: tuple(g.shape) for name, g in row.items() if name != "classifier"} == {
            name: shape for name, shape in model.blocks[switch].items() if name != "classifier"
        }
        assert ("classifier" in row) == (switch == 2 or all_move)
    named = dict(model.named_parameters())
    assert set(named) == {name for row in rows for name in row}


@pytest.mark.parametrize("all_move", [False, True])
def test_every_loss_reaches_every_parameter_it_must(model, batch, all_move: bool):
    """No tensor of any row is zero: nothing is logged without being differentiated."""
    rows = gradients_of(model, batch, all_move=all_move).jacobian.rows
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
        gradients_of(model, batch, reference=reference, **section).jacobian.rows
        for section in (before, after)
    )
    name = "network.projection.weight"
    return [not torch.equal(a[name], b[name]) for a, b in zip(first, second, strict=True)]


@pytest.mark.parametrize("term", ["triplet", "compatible"])
def test_each_term_of_the_loss_is_differentiated(model, batch, term: str):
    """Dropping a term changes the gradient of each sub-model that has it, and of no other."""
    has_term = [True, True, term != "compatible"]
    assert changed_rows(model, batch, {}, {"terms": {term: None}}) == has_term


ASYMMETRIC = [
    {"terms": {"asymmetric": {"kind": kind, "margin": margin}}}
    for kind, margin in (("regression", None), ("contrastive", 0.3), ("triplet", 0.3))
]


@pytest.mark.parametrize("section", [{"terms": {"influence": {}}}, *ASYMMETRIC])
def test_a_reference_moves_each_network_that_has_one(batch, section):
    """Influence and asymmetric losses pull a network of any width towards the frozen reference."""
    model = identity_model((0.25,))
    reference = Reference(identity_model((1.0,)).network.eval(), torch.randn(5, 8))
    assert changed_rows(model, batch, {}, section, reference) == [True]
    assert changed_rows(model, batch, {}, section) == [False]  # no target


@pytest.mark.parametrize("section", ASYMMETRIC)
def test_sub_models_are_pulled_towards_the_full_one(model, batch, section):
    """In a switchable network the asymmetric loss moves the sub-models and not the full one."""
    assert changed_rows(model, batch, {}, section) == [True, True, False]


def test_the_base_loss_of_sub_models_has_a_weight(model, batch):
    """It is of all sub-models but the full one."""
    assert changed_rows(model, batch, {}, {"submodels": {"base_weight": 0.5}}) == [
        True,
        True,
        False,
    ]


def test_priority_weights_gradients_by_uncertainty(model, batch):
    """Each row is multiplied by its sub-model's uncertainty over the mean of all; losses stay."""
    equal = gradients_of(model, batch)
    weighted = gradients_of(model, batch, by_uncertainty=True)
    u = torch.stack([o.uncertainty for o in equal.objectives])
    assert len(set((u / u.mean()).tolist())) == 3
    for w, row, expected in zip(
        u / u.mean(), weighted.jacobian.rows, equal.jacobian.rows, strict=True
    ):
        assert all(torch.allclose(row[name], w * expected[name]) for name in expected)


def test_gradients_equal_those_of_the_switched_network(model, batch):
    """Differentiating with respect to blocks is differentiating the padded parameter."""
    rows = gradients_of(
        model, batch, all_move=True, terms={"compatible": None, "triplet": None}
    ).jacobian.rows
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


def test_the_full_model_has_no_compatible_loss(model, batch):
    """The compatible loss is that of the sub-models; the record of the full model has a 0."""
    objectives = gradients_of(model, batch).objectives
    assert [bool(o.losses["compatible"] > 0) for o in objectives] == [True, True, False]


def test_the_total_is_the_weighted_sum(model, batch):
    """Every sub-model minimises its base loss and its terms, each with its weight."""
    terms = {"triplet": {"weight": 0.5}, "compatible": {"weight": 2.0, "evidence": "softplus"}}
    objectives = gradients_of(model, batch, terms=terms, submodels={"base_weight": 3.0}).objectives
    for switch, o in enumerate(objectives):
        base = o.losses["base"] * (1.0 if switch == 2 else 3.0)
        expected = base + 0.5 * o.losses["triplet"] + 2.0 * o.losses["compatible"]
        torch.testing.assert_close(o.total, expected)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_moves_every_parameter(model, batch, optimizer: str):
    """After one update no parameter is where it was."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    apply_update(
        model,
        gradients_of(model, batch).jacobian,
        aggregator=Sum(),
        optimizer=build_optimizer(model, train_section(optimizer=optimizer)),
        gradient_clip=1.0,
        generator=torch.Generator(),
    )
    assert [n for n, p in model.named_parameters() if torch.equal(p, before[n])] == []


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_step_that_is_not_finite_changes_nothing(model, batch, optimizer: str):
    """Neither the weights nor the optimizer's state: the next step is as if it came first."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    jacobian = gradients_of(model, batch).jacobian
    infinite = NestedJacobian([{n: g * torch.inf for n, g in row.items()} for row in jacobian.rows])
    ends = []
    for rows in ([jacobian], [infinite, jacobian]):
        model.load_state_dict(before, strict=False)
        moving = build_optimizer(model, train_section(optimizer=optimizer))
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
