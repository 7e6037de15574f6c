"""Photographs as a user has them: rendered vehicles, a folder for each and one for each camera."""

from pathlib import Path

from PIL import Image

from sfsc.data.sets.synthetic import Settings, render_identity


def write_photos(folder: Path, *, identities: int = 12, cameras: int = 2, size: int = 32) -> Path:
    """Write two JPEG files of each vehicle by each camera and return the folder."""
    settings = Settings(cameras_per_identity=cameras, images_per_camera=2, image_size=size)
    for identity in range(identities):
        for number, picture in enumerate(render_identity(settings, identity)):
            file = folder / f"car {identity:02d}" / f"camera {number // 2}" / f"{number % 2}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)
    return folder


def without_cameras(folder: Path) -> Path:
    """Move the images of each vehicle into its own folder."""
    for file in sorted(folder.glob("*/*/*.jpg")):
        file.rename(file.parents[1] / f"{file.parent.name} {file.name}")
        if not any(file.parent.iterdir()):
            file.parent.rmdir()
    return folder
