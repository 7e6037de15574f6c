"""A switchable transformer crops channels, whole heads and hidden units."""

import pytest
import torch
from torch import Tensor

from sfsc.losses.bases.softmax import Softmax
from sfsc.networks.backbones.vit_small import build
from sfsc.networks.build import EmbeddingNetwork
from sfsc.networks.cost import cost
from sfsc.networks.extract import extract
from sfsc.networks.switchable import leading_block, submodel_blocks
from sfsc.networks.transformer import VisionTransformer
from sfsc.networks.transformer_layers import to_tokens
from sfsc.training.build import build_criterion
from sfsc.training.model import IdentityModel
from sfsc.training.step import compute_gradients

from sections import loss_section

WIDTHS = (0.125, 0.25, 0.5, 1.0)


def tiny_network() -> EmbeddingNetwork:
    """Return an embedding network on two blocks of four heads."""
    network = EmbeddingNetwork("small_resnet", widths=WIDTHS, embedding_dim=8, image_channels=3)
    network.backbone = VisionTransformer(
        3, features=network.backbone.out_channels, depth=2, heads=4, widths=WIDTHS, patch=4, grid=3
    )
    return network


def test_blocks_of_the_full_size():
    """Widths 1/8 to 1 have 1, 2, 3 and 6 whole heads and their share of channels and units."""
    backbone = build(3, WIDTHS)
    for switch, (n, heads) in enumerate([(48, 1), (96, 2), (192, 3), (384, 6)]):
        blocks = submodel_blocks(backbone, switch)
        assert blocks["patches.weight"] == (n, 3, 16, 16)
        assert blocks["tokens.full.cls_token"] == (1, 1, n)
        assert blocks["tokens.full.pos_embed"] == (1, 197, n)
        for name in ("q", "k", "v"):
            assert blocks[f"blocks.11.attn.{name}.weight"] == (64 * heads, n)
            assert blocks[f"blocks.11.attn.{name}.bias"] == (64 * heads,)
        assert blocks["blocks.11.attn.proj.weight"] == (n, 64 * heads)
        assert blocks["blocks.11.mlp.fc1.weight"] == (4 * n, n)
        assert blocks["blocks.11.mlp.fc2.weight"] == (n, 4 * n)
        assert blocks[f"norm.private.{switch}.weight"] == (n,)
    names = dict(backbone.named_parameters())
    assert {name: tuple(names[name].shape) for name in blocks} == blocks  # of the full width


def test_only_layer_norms_are_private():
    """All other parameters are shared by every sub-model, in nested blocks."""
    backbone = tiny_network().backbone
    smaller, larger = (submodel_blocks(backbone, switch) for switch in (1, 2))
    assert all("norm" in name for name in smaller.keys() ^ larger.keys())
    for name in smaller.keys() & larger.keys():
        assert ".private." not in name
        assert all(a <= b for a, b in zip(smaller[name], larger[name], strict=True))


def test_as_large_and_costly_as_published():
    """22 million parameters with a classifier (DeiT, arXiv 2012.12877, table 1), 4.6 GMACs."""
    backbone = build(3, (1.0,))
    classifier = 384 * 1000 + 1000
    parameters = sum(p.numel() for p in backbone.parameters())
    assert parameters + classifier == 22_050_664
    network = EmbeddingNetwork("vit_small", widths=(1.0,), embedding_dim=8, image_channels=3)
    patches, layers, matmuls = 196 * 768 * 384, 197 * 12 * 384**2, 2 * 12 * 197**2 * 384
    assert cost(network, 0, (3, 224, 224)).macs == patches + 12 * layers + matmuls + 384 * 8
    assert patches + 12 * layers + matmuls == pytest.approx(4.6e9, rel=0.01)


def test_heads_are_cropped_whole():
    """The output depends on the sub-model's own heads only."""
    attention = tiny_network().backbone.blocks[0].attn
    x = torch.randn(2, 5, 64)
    expected = attention(x, 2)  # two of four heads
    with torch.no_grad():
        for layer in (attention.q, attention.k, attention.v):
            layer.weight[64:] = torch.nan
    torch.testing.assert_close(attention(x, 2), expected)
    query, key, value = (layer(x, 2) for layer in (attention.q, attention.k, attention.v))
    heads = []
    for head in (slice(0, 32), slice(32, 64)):
        scores = query[..., head] @ key[..., head].mT / 32**0.5
        heads.append(scores.softmax(dim=-1) @ value[..., head])
    torch.testing.assert_close(attention.proj(torch.cat(heads, dim=-1), 2), expected)


def test_positions_of_the_learned_grid_are_used_unchanged():
    """On the learned grid, position embeddings are not interpolated."""
    patches, first, places = torch.randn(2, 8, 3, 3), torch.randn(1, 1, 8), torch.randn(1, 10, 8)
    expected = torch.cat([first.expand(2, -1, -1), patches.flatten(2).mT], dim=1) + places
    torch.testing.assert_close(to_tokens(patches, first, places, 3), expected)


@pytest.mark.parametrize("map_size", [(2, 2), (6, 5), (1, 1)])
def test_every_learned_position_contributes(map_size: tuple[int, int]):
    """All learned position embeddings contribute, for any image size."""
    places = torch.randn(1, 10, 8, requires_grad=True)
    tokens = to_tokens(torch.randn(2, 8, *map_size), torch.randn(1, 1, 8), places, 3)
    (gradient,) = torch.autograd.grad((tokens**2).sum(), places)
    assert (gradient != 0).all()


@pytest.mark.parametrize("switch", range(4))
def test_extracted_tiny_network_is_equal(switch: int):
    """Extraction works for images with interpolated position embeddings."""
    network, images = tiny_network().eval(), torch.randn(2, 3, 20, 12)
    torch.testing.assert_close(
        extract(network, switch)(images), network(images, switch).embedding, rtol=0.0, atol=1e-5
    )


def padded_gradients(model: IdentityModel, images: Tensor, labels: Tensor, switch: int):
    """Return the gradients of a sub-model's loss by parameter name."""
    model.zero_grad()
    _, logits = model(images, switch)
    torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_gradients_on_blocks_equal_the_padded_ones():
    """In float64, each block's gradient is that of the whole parameter, which is zero elsewhere."""
    criterion = build_criterion(loss_section(terms={"compatible": None, "triplet": None}))
    model = IdentityModel(
        tiny_network(), embedding_dim=8, identities=5, base_loss=Softmax(label_smoothing=0.1)
    ).double()
    model.eval()  # or the neck's batch norm would let no bias before it matter
    images, labels = torch.randn(10, 3, 16, 8, dtype=torch.float64), torch.arange(10) // 2
    rows = compute_gradients(
        model, images, labels, criterion=criterion, progress=0.0, all_move_classifier=True
    ).jacobian.rows
    for switch, row in enumerate(rows):
        padded = padded_gradients(model, images, labels, switch)
        assert row.keys() == padded.keys()
        for name, gradient in row.items():
            block = leading_block(padded[name], gradient.shape)
            torch.testing.assert_close(gradient, block, rtol=1e-9, atol=1e-12)
            if not name.endswith("attn.k.bias"):  # which all scores of a query share
                assert gradient.abs().max() > 1e-9, name
            block.zero_()
            assert not padded[name].any()
