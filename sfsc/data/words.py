"""What the file of a data set tells readers: whose images they are, and what its cameras are."""

from sfsc.settings import parts


def credit_of(dataset: str) -> str:
    """Return authors, licence and source of a data set's images; empty if its file names none.

    Args:
        dataset: A file of `sfsc/data/sets`, which may have the text `CREDIT`.
    """
    return _text(dataset, "CREDIT")


def camera_of(dataset: str) -> str:
    """Return what stands for the camera in a data set; empty if it is a camera.

    Args:
        dataset: A file of `sfsc/data/sets`, which may have the text `CAMERA`.
    """
    return _text(dataset, "CAMERA")


def sentences_of(dataset: str) -> list[str]:
    """Return what must stand beside images of a data set: its cameras and its credit.

    >>> sentences_of("omniglot")[0], sentences_of("synthetic")
    ('A camera is a drawer.', [])
    """
    texts = (camera_of(dataset), credit_of(dataset))
    return [f"{text[0].upper()}{text[1:]}." for text in texts if text]


def _text(dataset: str, name: str) -> str:
    known = dataset in parts.names("data.sets")
    return str(getattr(parts.load("data.sets", dataset), name, "")) if known else ""
