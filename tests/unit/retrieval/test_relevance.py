"""What the labels make of a gallery image."""

import numpy as np

from sfsc.retrieval.relevance import Labels, find_relevant


def test_labels_decide_what_an_image_is_to_a_query():
    """Same identity is a positive in another camera, removed in the same one; -1 is junk."""
    gallery = Labels(np.array([5, -1, 5, 7, 5]), np.array([0, 0, 1, 1, 2]))
    relevance = find_relevant(Labels(np.array([5, 6, -1]), np.array([1, 1, 0])), gallery)
    assert [relevance.positives[query].tolist() for query in range(3)] == [[0, 4], [], []]
    assert [relevance.removed[query].tolist() for query in range(3)] == [[2], [], []]
    assert relevance.junk.tolist() == [1]
    assert relevance.n_gallery == 5
    assert relevance.block(1, 3).removed.counts.tolist() == [0, 0]
