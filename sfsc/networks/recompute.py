"""Gradient checkpointing (Chen et al., arXiv 1604.06174): less memory for a forward pass more."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from sfsc.networks.backbone import Backbone


def recompute_activations(backbone: Backbone) -> None:
    """Let each block keep its input only, and compute the rest again when it is differentiated.

    The gradients and the batch norms' statistics stay what they are, bit for bit.

    Args:
        backbone: Its blocks' `forward` is replaced.
    """
    for block in backbone.blocks:
        block.forward = partial(_checkpointed, block, block.forward)


def _checkpointed(
    block: nn.Module, forward: Callable[[Tensor, int], Tensor], x: Tensor, switch: int
) -> Tensor:
    if not block.training:  # nothing is differentiated
        return forward(x, switch)
    y: Tensor = checkpoint(
        forward,
        x,
        switch,
        use_reentrant=False,
        preserve_rng_state=False,  # a block draws nothing
        context_fn=partial(_contexts, block),
    )
    return y


def _contexts(
    block: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _fixed_statistics(block)


@contextmanager
def _fixed_statistics(block: nn.Module) -> Iterator[None]:
    """Let the second pass leave the running statistics alone: the first has moved them."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counts = {
        buffer: buffer.clone() for buffer in block.buffers() if not buffer.is_floating_point()
    }
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for buffer, count in counts.items():
            buffer.copy_(count)
