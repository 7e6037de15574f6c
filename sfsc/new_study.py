"""`sfsc new`: from folders of photographs to a study of them, in one command."""

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median

import yaml

from sfsc.data.folders import choose_image_size, find_damages, list_photos, list_rows
from sfsc.data.manifest import Row
from sfsc.data.mistakes import raise_mistakes
from sfsc.data.official import hold_out_validation
from sfsc.data.samplers import epoch_length
from sfsc.errors import ConfigError, DataError
from sfsc.files import write_texts
from sfsc.licence import check_images_stay_here
from sfsc.settings.experiment import Params, load_params, parse_params
from sfsc.settings.reading import merge, read_tree

PARAMS, IGNORED = Path("params.yaml"), Path(".gitignore")
NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
STEPS, EPOCHS = 600, (18, 200)
"""A training has about as many steps as one of the default study, within a range of epochs."""
VALIDATION = 0.25
"""Share of the training identities held out for validation; a small set has few to spare."""
PER_DIMENSION = 6
"""Training identities for each dimension of the embedding, as in the default study."""
LARGE = 20_000
"""Number of training images that are worth a larger network, larger images and a GPU."""

STUDY = """\
# {images} images of {identities} identities{cameras}, found by `sfsc new`.
# Change what you like. All other settings are those of params.yaml.
study: {name}
datasets: [custom]
seeds: [0, 1, 2]
variation_seeds: [0, 1, 2]
compare: [unified, bct_s, sfsc]   # params.yaml has more methods
ablation: {ablation}
robustness: {robustness}

data:
  validation_fraction: {validation_fraction}
  custom:
    table: {name}/images.csv
    camera: {camera}
    image_height: {height}
    image_width: {width}

network:
  backbone: {backbone}
  embedding_dim: {embedding_dim}

train:                            # `device: cuda` trains on a GPU
  epochs: {epochs}
  validate_every: {validate_every}
  identities_per_batch: {identities_per_batch}
  images_per_identity: {images_per_identity}

augmentation:
  custom:
    flip: true                    # false where a mirrored image is another, as with text
    rotation: 10.0
    translation: 0.1
    scale: [0.9, 1.1]
    shear: 5.0
    pad: 0
    colour: 0.2                   # 0.0 where colour alone tells identities apart
    erasing: 0.3
"""


def new_study(photos: Path, name: str | None = None) -> list[str]:
    """Write the table and the study of some photographs, and have git ignore what shows them.

    The present folder must be the project's.

    Args:
        photos: Folder with one folder of images for each identity (see `sfsc.data.folders`).
        name: Name of the study; that of the folder if None.

    Returns:
        Lines for the user: what was found and written, and the next command.

    Raises:
        ConfigError: If the present folder is no project, or DVC would push the images.
        DataError: If the photographs or the name have mistakes; it lists all of them.
    """
    if not PARAMS.is_file():
        raise ConfigError(f"`sfsc new` must be run in the folder of {PARAMS}. Found none here.")
    if not photos.is_dir():
        raise DataError(f"{photos} must be a folder of photographs. Found none.")
    params, study = load_params([PARAMS]), name or photos.resolve().name
    found, mistakes = list_photos(photos)
    rows = list_rows(found)
    split = hold_out_validation(rows, VALIDATION)
    is_large = sum(row.split == "train" for row in split) > LARGE
    size = choose_image_size([photos / row.path for row in rows], side=128 if is_large else 64)
    damages = find_damages(photos, split, size=size)
    raise_mistakes(str(photos), [*_find_name_mistakes(study, params), *mistakes, *damages])
    has_cameras = found[0].camera is not None
    text = _study_text(study, split, size, params, has_cameras=has_cameras)
    parse_params(merge(read_tree([PARAMS]), yaml.safe_load(text)), source="The new study")
    _write(study, text, _table_text(study, photos, rows, has_cameras=has_cameras))
    return [*_summary(study, split), *_next_command(study)]


def _find_name_mistakes(name: str, params: Params) -> Iterator[str]:
    """Yield the sentence about a name that cannot be used, or is used, if it is so."""
    if not NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-_")[:60]
        advice = f"--name {near if NAME.fullmatch(near) else 'photos'}"
        yield (
            "The name of a study must begin with a letter a to z, and go on with at most 59 of "
            f"a to z, 0 to 9, _ and -. Found `{name}`; give another, such as `{advice}`."
        )
        return
    files = [_study_file(name), _table_file(name)]
    folders = [Path(folder, name) for folder in ("data/prepared", "results", "reports")]
    taken = [f"`{path}`" for path in [*files, *folders] if path.exists()]
    if params.study == name:
        taken.append(f"`study: {name}` in {PARAMS}")
    if taken:
        yield (
            f"The name of a new study must be free; nothing is overwritten. Found {taken[0]}; give "
            "another with `--name`."
        )


def _study_file(name: str) -> Path:
    return Path("studies", f"{name}.yaml")


def _table_file(name: str) -> Path:
    return Path("data/raw/custom", name, "images.csv")


def _study_text(
    name: str, rows: Sequence[Row], size: tuple[int, int], params: Params, *, has_cameras: bool
) -> str:
    """Return the study, with settings that suit the number and the size of the images."""
    training = [row for row in rows if row.split == "train"]
    counts = Counter(row.identity for row in training)
    identities = min(32 if len(counts) >= 1000 else 16, 2 ** (len(counts).bit_length() - 1))
    images = 4 if median(counts.values()) >= 4 else 2
    length = epoch_length(len(training), identities=identities, images=images)
    epochs = min(max(round(STEPS / length), EPOCHS[0]), EPOCHS[1])
    cameras = f" by {len({row.camera for row in rows})} cameras" if has_cameras else ""
    return STUDY.format(
        name=name,
        images=len(rows),
        identities=len({row.identity for row in rows}),
        cameras=cameras,
        camera="column" if has_cameras else "none",
        height=size[0],
        width=size[1],
        backbone="resnet18" if len(training) > LARGE else "small_resnet",
        validation_fraction=VALIDATION,
        embedding_dim=min(256, max(16, 2 ** ((len(counts) // PER_DIMENSION).bit_length() - 1))),
        epochs=epochs,
        validate_every=max(1, epochs // 5),
        identities_per_batch=identities,
        images_per_identity=images,
        ablation=_dropped(params.ablation),
        robustness=_dropped(params.robustness),
    )


def _dropped(variations: Iterable[str]) -> str:
    """Return the mapping that drops the variations of `params.yaml`, as YAML."""
    return f"{{{', '.join(f'{name}: null' for name in variations)}}}"


def _table_text(name: str, photos: Path, rows: Iterable[Row], *, has_cameras: bool) -> str:
    """Return the table. Paths of images in the project are relative, so that it can be moved."""
    root, folder = Path.cwd().resolve(), photos.resolve()
    if folder.is_relative_to(root):
        folder = Path(os.path.relpath(folder, root / _table_file(name).parent))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "identity", *(["camera"] * has_cameras), "split"])
    for row in rows:
        camera = [row.camera] * has_cameras
        writer.writerow([folder / row.path, row.identity, *camera, row.split])
    return text.getvalue()


def _write(name: str, study: str, table: str) -> None:
    """Write all files, the study last.

    Raises:
        ConfigError: If DVC would push the images all the same; then there is no study.
    """
    shown = (f"/reports/{name}/index.html", f"/reports/{name}/figures/*_retrieval.*")
    ignored = IGNORED.read_text(encoding="utf-8").splitlines() if IGNORED.exists() else []
    lines = [*ignored, *(line for line in shown if line not in ignored)]
    write_texts({IGNORED: "".join(f"{line}\n" for line in lines)})
    check_images_stay_here(name, ["custom"], root=Path.cwd())
    write_texts({_table_file(name): table, _study_file(name): study})


def _summary(name: str, rows: Sequence[Row]) -> Iterator[str]:
    """Yield what was found and written."""
    identities = {row.identity: row.split for row in rows}
    parts = Counter("test" if s in {"query", "gallery"} else s for s in identities.values())
    yield (
        f"Found {len(rows)} images of {len(identities)} identities: {parts['train']} to train on, "
        f"{parts['validation']} for validation, {parts['test']} for the test."
    )
    yield f"Wrote {_study_file(name)}, {_table_file(name)} and two lines of {IGNORED}."


def _next_command(name: str) -> Iterator[str]:
    """Yield the command that trains, reports and exports."""
    yield "Next, train, report and export:"
    yield ""
    yield f"    snakemake --configfile {_study_file(name)} -- all &&"
    yield f"    sfsc export results/{name}/custom/sfsc/seed0 --output exports/{name}"
