"""The optional packages of this part: one sentence where they are missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from sfsc.errors import ConfigError


@contextmanager
def needs_deploy_extra() -> Iterator[None]:
    """Turn a failed import of the block into the sentence that names the command to install it.

    Raises:
        ConfigError: If a package of the extra `deploy` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"This command needs the packages of the extra `deploy`. Found no `{error.name}`. "
            "In the project's folder, run `pip install --requirement requirements.lock`."
        ) from error
