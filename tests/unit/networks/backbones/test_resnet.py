"""ResNet-50 and ResNeXt-50 are the published ones, but for the last stride."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from sfsc import parts
from sfsc.networks.resnet import Bottleneck


class PlainBottleneck(nn.Module):
    """The block, written with plain layers."""

    def __init__(self, n_in: int, n_out: int, inner: int, groups: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *(nn.Conv2d(n_in, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
            nn.Conv2d(inner, inner, 3, stride, padding=1, groups=groups, bias=False),
            *(nn.BatchNorm2d(inner), nn.ReLU()),
            *(nn.Conv2d(inner, n_out, 1, bias=False), nn.BatchNorm2d(n_out)),
        )
        self.shortcut = nn.Identity()
        if stride > 1 or n_in != n_out:
            convolution = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        return torch.relu(self.main(x) + self.shortcut(x))


def plain_resnet(inner: int, groups: int, last_stride: int) -> nn.Sequential:
    """Return table 1 of both papers: 3, 4, 6 and 3 blocks, the inner channels doubling."""
    layers: list[nn.Module] = [
        *(nn.Conv2d(3, 64, 7, 2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        nn.MaxPool2d(3, 2, padding=1),
    ]
    previous = 64
    for stage, (blocks, stride) in enumerate(
        zip((3, 4, 6, 3), (1, 2, 2, last_stride), strict=True)
    ):
        for index in range(blocks):
            n_out, first = 256 * 2**stage, stride if index == 0 else 1
            layers.append(PlainBottleneck(previous, n_out, inner * 2**stage, groups, first))
            previous = n_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def tensors(network: nn.Module) -> Iterator[Tensor]:
    """Yield weights and statistics, in the order in which an image meets the layers."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) or (not list(module.children())):
            yield from module.parameters(recurse=False)
            yield from module.buffers(recurse=False)


@pytest.mark.parametrize(("name", "inner", "groups"), [("resnet50", 64, 1), ("resnext50", 128, 32)])
def test_full_width_equals_the_plain_network(name: str, inner: int, groups: int):
    """With the plain network's weights the full sub-model has the plain network's output."""
    torch.manual_seed(0)
    plain = plain_resnet(inner, groups, last_stride=1).eval()
    network = parts.load("networks.backbones", name).build(3, (0.5, 1.0)).eval()
    for tensor in tensors(plain):
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.01, 0.1)
    full = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)][1::2]
    convolutions = [p for n, p in network.named_parameters() if n.endswith("conv.weight")]
    with torch.no_grad():
        norms = (m for m in plain.modules() if isinstance(m, nn.BatchNorm2d))
        for mine, theirs in zip(full, norms, strict=True):
            mine.load_state_dict(theirs.state_dict())
        plain_convolutions = (m.weight for m in plain.modules() if isinstance(m, nn.Conv2d))
        for mine, theirs in zip(convolutions, plain_convolutions, strict=True):
            mine.copy_(nn.init.kaiming_normal_(theirs))
        images = torch.randn(2, 3, 64, 32)
        torch.testing.assert_close(network(images, 1), plain(images))


@pytest.mark.parametrize(
    ("name", "inner", "groups", "millions"),
    [("resnet50", 64, 1, 25.557), ("resnext50", 128, 32, 25.029)],
)
def test_as_many_parameters_as_published(name: str, inner: int, groups: int, millions: float):
    """With the classifier of ImageNet's 1,000 classes, which a backbone does not have."""
    network = parts.load("networks.backbones", name).build(3, (1.0,))
    count = sum(parameter.numel() for parameter in network.parameters())
    assert (count + 2048 * 1000 + 1000) / 1e6 == pytest.approx(millions, abs=0.001)
    assert count == sum(p.numel() for p in plain_resnet(inner, groups, 1).parameters())


def test_a_group_is_not_cut_in_two():
    """A width that leaves no whole groups is refused with what was found."""
    with pytest.raises(ValueError, match=r"whole groups .* Found `in_channels = 43`"):
        Bottleneck(64, 256, stride=1, widths=(1 / 3, 1.0), groups=32, reduction=2)
