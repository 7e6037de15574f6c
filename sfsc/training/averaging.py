"""Moving averages of the weights, which may vary less between seeds than the last ones.

With `train.average_decay` > 0, validation judges the average over the steps, and a training leaves
it. Running statistics of batch norms belong to the weights that they were collected with, so those
of the average are estimated anew, on all training images without augmentation.
"""

from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from sfsc.data.packed import read_images
from sfsc.data.transforms import to_float
from sfsc.networks.build import EmbeddingNetwork
from sfsc.retrieval.embed import BATCH_IMAGES
from sfsc.training.build import Training


def estimate_statistics(training: Training) -> None:
    """Estimate the running statistics of the average, if there is one.

    Args:
        training: The batch norms of its average change.
    """
    if training.average is None:
        return
    rows, size = training.rows, BATCH_IMAGES
    batches = (rows[start : start + size] for start in range(0, len(rows), size))
    images = (to_float(read_images(training.images, batch), training.device) for batch in batches)
    update_bn(images, _AllSubmodels(training.result.network))


class _AllSubmodels(nn.Module):
    """Passes images through every sub-model, each of which has batch norms of its own."""

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> None:
        """Embed (B, C, H, W) images in every sub-model."""
        for switch in range(len(self.network.widths)):
            self.network(images, switch)
