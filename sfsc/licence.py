"""Restricted images are never pushed: studies that DVC or git would publish are refused.

DVC and git themselves are asked what they would push. DVC is imported only for restricted data
sets, as that takes a second.
"""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from sfsc.errors import ConfigError

REDISTRIBUTABLE = frozenset({"synthetic", "omniglot", "grocery", "fruits360"})
"""Data sets whose images anyone may redistribute: rendered by the project; MIT licence, twice; CC
BY-SA 4.0, which asks for the same licence and the credit.

All others, a user's own included, count as restricted. The list is here and not in the data sets'
files, where a change of it would rerun every training on the set.
"""


def check_images_stay_here(study: str, datasets: Iterable[str], *, root: Path) -> None:
    """Refuse a study if a push would publish images of a restricted data set.

    Args:
        study: Name of the study.
        datasets: Names of its data sets.
        root: Folder of the project.

    Raises:
        ConfigError: If DVC would push the images, or git the parts of the report that show some, or
            if DVC cannot tell.
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
            f"Files that show images of {', '.join(restricted)} must not be pushed, because "
            f"sfsc/licence.py does not list the set as redistributable. Found {', '.join(found)}. "
            "Mark a DVC out with `push: false` and add a file to .gitignore; or, if the licence "
            "allows redistribution, add the set to sfsc/licence.py."
        )


def _pushed_by_dvc(places: Iterable[str], root: Path) -> Iterator[str]:
    """Yield the places of which DVC would push something, with the reason.

    Copies of the project without git, such as a downloaded archive, are checked as well.
    """
    from dvc.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        DvcException,
        NotDvcRepoError,
    )
    from dvc.repo import Repo  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        with Repo(str(root), config={"core": {"no_scm": True}}) as repository:
            pushed = [Path(o.fs_path) for o in repository.index.outs if o.use_cache and o.can_push]
    except NotDvcRepoError:
        return
    except DvcException as error:
        raise ConfigError(
            "DVC must be able to read the project, to tell which images it would push. Found: "
            f"{' '.join(str(error).split())}"
        ) from error
    for place in places:
        path = root.resolve() / place
        if any(out.is_relative_to(path) or path.is_relative_to(out) for out in pushed):
            yield f"`{place}`, pushed by DVC"


def _seen_by_git(files: Iterable[str], root: Path) -> Iterator[str]:
    """Yield the files that git does not ignore, with the reason."""
    for file in files:
        command = ["git", "-C", str(root), "check-ignore", "--quiet", file]
        if subprocess.run(command, capture_output=True, check=False).returncode == 1:
            yield f"`{file}`, not ignored by git"
