"""Gradient checkpointing (Chen et al., arXiv 1604.06174): less memory for a second forward pass."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sfsc.networks.backbone import Backbone


def recompute_activations(backbone: Backbone) -> None:
    """Make each block keep only its input and recompute its activations in the backward pass.

    Gradients and batch-norm statistics stay the same bits.

    Args:
        backbone: Each of its blocks gets another `forward`.
    """
    for block in backbone.blocks:
        block.forward = partial(_checkpointed, block, block.forward)


def _checkpointed(
    block: nn.Module, forward: Callable[[Tensor, int], Tensor], x: Tensor, switch: int
) -> Tensor:
    if not block.training:  # no backward pass follows
        return forward(x, switch)
    y: Tensor = checkpoint(
        forward,
        x,
        switch,
        use_reentrant=False,
        preserve_rng_state=False,  # blocks draw no random numbers
        context_fn=partial(_contexts, block),
    )
    return y


def _contexts(
    block: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of the first and of the second forward pass."""
    return nullcontext(), _fixed_statistics(block)


@contextmanager
def _fixed_statistics(block: nn.Module) -> Iterator[None]:
    """Keep the running statistics fixed: the first pass has updated them."""
    norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
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
