"""Stochastic gradient descent with Nesterov momentum, as torch's kernel computes it.

`torch.optim.SGD` is the same kernel; but an object of it imports torch's compiler, 1.2 seconds for
each of the pipeline's trainings, of which some take twenty.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim.sgd import sgd

MOMENTUM = 0.9


class NesterovSGD:
    """The part of `torch.optim.SGD`'s interface that a training uses.

    Args:
        parameters: What moves.
        lr: Learning rate of the first step; a schedule writes it into `param_groups`.
        weight_decay: L2 penalty, added to the gradients.
    """

    def __init__(self, parameters: Iterable[Parameter], *, lr: float, weight_decay: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": lr}]
        self.weight_decay = weight_decay
        self._momenta: list[torch.Tensor | None] = [None] * len(self.param_groups[0]["params"])
        self.found_inf: torch.Tensor | None = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter; each must have a gradient."""
        (group,) = self.param_groups
        # torch would leave them unwritten if the first step is skipped.
        self._momenta = [
            torch.zeros_like(parameter) if momentum is None else momentum
            for parameter, momentum in zip(group["params"], self._momenta, strict=True)
        ]
        sgd(
            group["params"],
            [parameter.grad for parameter in group["params"]],
            self._momenta,
            fused=True,
            found_inf=self.found_inf,
            weight_decay=self.weight_decay,
            momentum=MOMENTUM,
            lr=group["lr"],
            dampening=0.0,
            nesterov=True,
            maximize=False,
        )

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Drop the gradients."""
        del set_to_none  # the only way it is done here
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return the momenta as `torch.optim.SGD` names them."""
        momenta = enumerate(self._momenta)
        return {"state": {i: {"momentum_buffer": m} for i, m in momenta if m is not None}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the momenta that `state_dict` returned."""
        state = state_dict["state"]
        self._momenta = [
            state[i]["momentum_buffer"] if i in state else None for i in range(len(self._momenta))
        ]


Optimizer = torch.optim.Optimizer | NesterovSGD
