"""The origin of a result: its slice of the settings, digest of its code, git revision, environment.

Used by the workflow (fingerprint files, see sfsc/plan.py), the trainer (`run.json`) and the mirror.
Imports nothing heavy: the workflow reads it at each start.

A fingerprint file holds a job's slice of `params.yaml` and the digest of the code that the job
imports. It is an input of the job's rule, so that a change of either makes a newer file. Any engine
that compares files sees it, also after a clone, a `dvc pull` or in a DVC experiment, where
Snakemake's own record of parameters and code is missing.
"""

import ast
import hashlib
import json
import os
import platform
import subprocess
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sfsc.errors import ConfigError
from sfsc.files import replacing

PACKAGE = __name__.partition(".")[0]
SOURCE_ROOT = Path(__file__).resolve().parent.parent

NOT_HASHED = frozenset(f"{PACKAGE}.{name}" for name in ("cli", "errors", "provenance", "settings"))
"""Modules and packages that cannot change a result. Digests leave them out, with what only they
import.

`settings` because what it makes of `params.yaml` is in the slice beside the digest: a new key of
one stage must not rerun all the others. `cli` only passes paths to the stages, `errors` only words
messages, and this module only describes results.
"""

TRACKED_PACKAGES = ("torch", "numpy", "kornia", "pandas", "safetensors")


def write_fingerprint(
    path: Path,
    config: Mapping[str, object],
    *,
    modules: Sequence[str],
) -> Path:
    """Write what a job depends on besides its data; leave an unchanged file alone.

    Args:
        path: The fingerprint file, `{"config": ..., "code": ...}`.
        config: The job's slice of the settings, JSON values only.
        modules: Modules whose import closure does the job's work: the stage's, and those of the
            parts that the slice names, which are not imported statically.

    Returns:
        `path`.
    """
    text = fingerprint(config, modules)
    if not holds(path, text):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return path


def fingerprint(config: Mapping[str, object], modules: Sequence[str]) -> str:
    """Return the content of a fingerprint file; see `write_fingerprint`."""
    content = {"config": config, "code": code_digest(*modules)}
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def holds(path: Path, text: str) -> bool:
    """Return whether a file is there and has this content."""
    return path.is_file() and path.read_bytes() == text.encode()


def short_digest(content: bytes) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a content."""
    return hashlib.sha256(content).hexdigest()[:16]


def check_digest(path: Path, digest: str) -> None:
    """Refuse a job whose slice of the settings is no longer the one that it was planned with.

    Args:
        path: The job's fingerprint file.
        digest: `short_digest` of the content that the job was planned with.

    Raises:
        ConfigError: If the file holds something else by now.
    """
    found = short_digest(path.read_bytes()) if path.is_file() else "no file"
    if found != digest:
        raise ConfigError(
            f"{path} must hold the settings that this job was planned with. Found {found} in place "
            f"of {digest}: settings or code were changed meanwhile. Start Snakemake again."
        )


def code_digest(*modules: str) -> str:
    """Return the digest of all source code that importing `modules` can run.

    It covers syntax trees, without comments, docstrings and formatting, and data files, such as
    templates, that a string in a module names.

    Args:
        modules: Dotted names inside the package, e.g. "sfsc.training.run".

    Returns:
        16 hexadecimal digits.

    Raises:
        ValueError: If a module does not exist or cannot be parsed.
    """
    digest = hashlib.sha256()
    for module in sorted(import_closure(*modules)):
        digest.update(f"{module}\0{_source(module).content}\0".encode())
    return digest.hexdigest()[:16]


def import_closure(*modules: str) -> frozenset[str]:
    """Return `modules` and all modules of the package that they import, directly or indirectly.

    Imports are read from the source: those inside functions and conditions count, those by
    `importlib` do not.

    Args:
        modules: Dotted names inside the package.

    Raises:
        ValueError: If a module does not exist or cannot be parsed.
    """
    return _closure(modules, left_out=NOT_HASHED)


def write_sources(path: Path, *modules: str) -> None:
    """Write the sources of modules, and of all that they import, to an archive to import from.

    Args:
        path: The zip archive; Python can import the package from it.
        modules: Dotted names inside the package.

    Raises:
        ValueError: If a module does not exist or cannot be parsed.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for module in sorted(_closure(modules, left_out=frozenset())):
            source = _path(module)
            assert source  # noqa: S101 - a closure has modules only
            archive.write(source, source.relative_to(SOURCE_ROOT))


def _closure(modules: Sequence[str], *, left_out: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [*modules, *(parent for module in modules for parent in _modules_in(module))]
    while waiting:
        module = waiting.pop()
        is_left_out = any(f"{module}.".startswith(f"{name}.") for name in left_out)
        if module not in found and not is_left_out:
            found.add(module)
            waiting += _source(module).imports
    return frozenset(found)


@dataclass(frozen=True)
class _Source:
    """The parts of a module that a digest covers."""

    content: str
    """Syntax tree without docstrings, and digests of the data files that the module names."""
    imports: tuple[str, ...]
    """Modules of the package that it imports."""


@cache
def _source(module: str) -> _Source:
    path = _path(module)
    if path is None:
        raise ValueError(f"A hashed module must be part of the package. Found `{module}`.")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(
            f"A hashed module must be valid Python. Found `{path}`: {error}."
        ) from error
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    nodes = list(ast.walk(tree))
    imports = tuple(sorted(set(_imports(nodes, package))))
    _drop_docstrings(nodes)
    return _Source("\0".join([ast.dump(tree), *_named_files(tree, path.parent)]), imports)


def _drop_docstrings(nodes: Iterable[ast.AST]) -> None:
    """Drop strings that are statements: docstrings of modules, classes, functions and fields."""
    for node in nodes:
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                statements[:] = [statement for statement in statements if not _is_text(statement)]


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _named_files(tree: ast.AST, folder: Path) -> list[str]:
    """Return the digests of the data files in a module's folder whose names it contains."""
    files = [p for p in sorted(folder.iterdir()) if p.is_file() and p.suffix not in {".py", ".pyc"}]
    if not files:
        return []
    texts = {
        n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    return [digest_of(file) for file in files if file.name in texts]


@cache
def _path(module: str) -> Path | None:
    """Return the file of a module, None if the name is something inside a module."""
    stem = SOURCE_ROOT.joinpath(*module.split("."))
    return next((p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()), None)


def _imports(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == PACKAGE:
                yield from _modules_in(name)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the module of a `from` import with its leading dots resolved."""
    anchor = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
    return ".".join([*anchor, *([node.module] if node.module else [])])


def _modules_in(name: str) -> list[str]:
    """Return the modules that importing a dotted name runs: its packages and perhaps itself."""
    parts = name.split(".")
    prefixes = (".".join(parts[:stop]) for stop in range(1, len(parts) + 1))
    return [prefix for prefix in prefixes if _path(prefix)]


def git_revision() -> str:
    """Return the commit of the working tree, "unknown" if there is none."""
    return _git("rev-parse", "HEAD") or "unknown"


def is_tree_clean() -> bool:
    """Return whether the package's sources are those of `git_revision()`; False without git.

    Other files may differ: the pipeline rewrites tracked reports, and parameters have their own
    digest.
    """
    return _git("status", "--porcelain", "--", PACKAGE) == ""


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(SOURCE_ROOT), *arguments]
    try:
        result = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def environment() -> dict[str, str]:
    """Return the versions and the machine that make a result, as readable values by name."""
    machine = {"platform": platform.platform(), "cpu": _cpu(), "cpus": str(os.cpu_count())}
    packages = {name: _version(name) for name in TRACKED_PACKAGES}
    return {"python": platform.python_version(), **packages, **machine}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    """Return the processor's model name; `platform.processor()` is empty on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
