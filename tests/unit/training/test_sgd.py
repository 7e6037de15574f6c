"""The optimizer is torch's SGD without the import of its compiler."""

import subprocess
import sys

import torch
from torch import nn

from sfsc.training.sgd import MOMENTUM, NesterovSGD


def walk(model: nn.Module, optimizer, steps: int) -> None:
    """Take steps on a loss that is a function of the step's number."""
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        model(torch.full((4, 3), 1.0 + step)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def twins() -> tuple[nn.Module, nn.Module]:
    """Return two equal models."""
    first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    second.load_state_dict(first.state_dict())
    return first, second


def test_it_moves_as_torch_does():
    """Weights after several steps, at a changing learning rate, are those of `torch.optim.SGD`."""
    ours, theirs = twins()
    walk(ours, NesterovSGD(ours.parameters(), lr=0.1, weight_decay=0.01), 4)
    reference = torch.optim.SGD(
        theirs.parameters(), lr=0.1, momentum=MOMENTUM, nesterov=True, weight_decay=0.01
    )
    walk(theirs, reference, 4)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_a_restored_state_goes_on_as_if_nothing_had_happened():
    """Two steps, a saved and loaded state and two steps are four steps, bit for bit."""
    whole, parted = twins()
    optimizers = [NesterovSGD(m.parameters(), lr=0.1, weight_decay=0.01) for m in (whole, parted)]
    for optimizer, model in zip(optimizers, (whole, parted), strict=True):
        walk(model, optimizer, 2)
    fresh = NesterovSGD(parted.parameters(), lr=0.1, weight_decay=0.01)
    fresh.load_state_dict(optimizers[1].state_dict())
    walk(whole, optimizers[0], 2)
    walk(parted, fresh, 2)
    assert all(map(torch.equal, whole.parameters(), parted.parameters()))


def test_a_state_before_the_first_step_is_empty():
    """There are no momenta to save or to load."""
    optimizer = NesterovSGD(nn.Linear(3, 2).parameters(), lr=0.1, weight_decay=0.0)
    assert optimizer.state_dict() == {"state": {}}
    optimizer.load_state_dict({"state": {}})


def test_a_training_does_not_import_the_compiler():
    """Making the optimizer and stepping leaves torch's compiler alone: it takes a second."""
    program = (
        "import sys, torch; import sfsc.training.run; from sfsc.training.sgd import NesterovSGD;"
        "model = torch.nn.Linear(3, 2);"
        "optimizer = NesterovSGD(model.parameters(), lr=0.1, weight_decay=0.0);"
        "model(torch.ones(1, 3)).sum().backward(); optimizer.step(); optimizer.zero_grad();"
        "print('torch._dynamo' in sys.modules, 'pandas' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert result.stdout.split() == ["False", "False"]
