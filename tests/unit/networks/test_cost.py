"""The cost of a sub-model is what torch counts."""

import subprocess
import sys

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sfsc.networks.build import KINDS
from sfsc.networks.cost import cost
from sfsc.networks.extract import extract
from sfsc.settings import parts

SHAPE = (3, 32, 32)


@pytest.mark.parametrize("backbone", parts.names("networks.backbones"))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("switch", [0, 1])
def test_it_counts_what_torch_counts(backbone: str, kind: str, switch: int):
    """Depthwise convolutions, strides, cropped layers and the products of attention included."""
    network = KINDS[kind](backbone, widths=(0.25, 1.0), embedding_dim=16, image_channels=3)
    dense = extract(network, switch).eval()
    # Of attention it counts the two products, not the fused operation of processors.
    plain = sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), plain, FlopCounterMode(display=False) as counter:
        dense(torch.zeros(1, *SHAPE))
    found = cost(network, switch, SHAPE)
    assert found.macs == counter.get_total_flops() // 2 > 0
    assert found.parameters == sum(parameter.numel() for parameter in dense.parameters())


def test_counting_does_not_import_the_compiler():
    """Each training counts, and none compiles."""
    program = (
        "import sys; from sfsc.networks.build import EmbeddingNetwork;"
        "from sfsc.networks.cost import cost;"
        "network = EmbeddingNetwork("
        "'small_resnet', widths=(1.0,), embedding_dim=8, image_channels=3);"
        "cost(network, 0, (3, 16, 16)); print('torch._dynamo' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert result.stdout == "False\n"
