"""The settings of data sets that are image files on the user's disk."""

from typing import Literal

from pydantic import Field

from sfsc.settings.section import Part


class ImageFiles(Part):
    """A set of image files."""

    image_height: int = Field(ge=16, le=1024)
    """Height that the images are resized to, pixels."""
    image_width: int = Field(ge=16, le=1024)
    """Width that the images are resized to, pixels."""


class PublishedImages(ImageFiles):
    """A published set of image files, which must be complete."""

    counts: Literal["published", "any"] = "published"
    """`published` requires the official counts; `any` accepts a subset and logs it."""
