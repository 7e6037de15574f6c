"""What may be passed on: the images of most data sets may not, so that no push may take them along.

Asks DVC and git themselves what they would push; imports DVC, a second, only for data sets whose
licence gives a reason.
"""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from sfsc.errors import ConfigError

REDISTRIBUTABLE = frozenset({"synthetic", "omniglot"})
"""The data sets whose images anyone may pass on: made by the project; MIT licence.

Any other set, say a user's, is taken for restricted. A list here and no mark in a set's file,
where a word on the licence would be new code to every training on the set.
"""


def check_images_stay_here(study: str, datasets: Iterable[str], *, root: Path) -> None:
    """Refuse a study that would put images of a restricted data set where a push takes them along.

    Args:
        study: Its name.
        datasets: Its data sets.
        root: Folder of the project.

    Raises:
        ConfigError: If DVC would push the images, or git a part of the report that shows some.
    """
    restricted = sorted(set(datasets) - REDISTRIBUTABLE)
    if not restricted:
        return
    folders = [f"data/prepared/{study}", *(f"data/raw/{name}" for name in restricted)]
    figures = [f"{name}_retrieval.{suffix}" for name in restricted for suffix in ("svg", "png")]
    shown = [
        f"reports/{study}/{name}" for name in ("index.html", *(f"figures/{f}" for f in figures))
    ]
    found = [*_pushed_by_dvc([*folders, *shown], root), *_seen_by_git(shown, root)]
    if found:
        raise ConfigError(
            f"What shows images of {', '.join(restricted)} must not be pushed, as sfsc/licence.py "
            f"does not say that they may be passed on. Found {', '.join(found)}. Mark an out of "
            "DVC with `push: false`, name a file in .gitignore; or, if its licence allows that, "
            "add the data set to sfsc/licence.py."
        )


def _pushed_by_dvc(places: Iterable[str], root: Path) -> Iterator[str]:
    from dvc.exceptions import NotDvcRepoError  # type: ignore[import-untyped]  # noqa: PLC0415
    from dvc.repo import Repo  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        repository = Repo(str(root))
    except NotDvcRepoError:
        return
    with repository:
        pushed = [Path(o.fs_path) for o in repository.index.outs if o.use_cache and o.can_push]
    for place in places:
        path = root.resolve() / place
        if any(out.is_relative_to(path) or path.is_relative_to(out) for out in pushed):
            yield f"`{place}`, pushed by DVC"


def _seen_by_git(files: Iterable[str], root: Path) -> Iterator[str]:
    for file in files:
        command = ["git", "-C", str(root), "check-ignore", "--quiet", file]
        if subprocess.run(command, capture_output=True, check=False).returncode == 1:
            yield f"`{file}`, not ignored by git"
