"""Fingerprints change exactly when a result could."""

import ast
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfsc import provenance
from sfsc.errors import ConfigError

ROOT = Path(__file__).parents[2]

STAGE = '''"""A stage."""

from sfsc.room import part


def run(value: int) -> int:
    """Return twice the value."""
    return part.twice(value)  # plainly
'''
NOT_HASHED = ("cli.py", "errors.py", "provenance.py", "settings/__init__.py", "settings/section.py")
PART = "def twice(value):\n    return 2 * value\n"


def forget() -> None:
    """Read the sources again, as another process would."""
    provenance._source.cache_clear()
    provenance._path.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `sfsc` with stage.py, room/part.py and alone.py."""
    root = tmp_path / "sfsc"
    (root / "room").mkdir(parents=True)
    (root / "settings").mkdir()
    for name in ("__init__.py", "room/__init__.py", "alone.py", *NOT_HASHED):
        (root / name).write_text("")
    (root / "stage.py").write_text(STAGE)
    (root / "room" / "part.py").write_text(PART)
    monkeypatch.setattr(provenance, "SOURCE_ROOT", tmp_path)
    yield root
    forget()


def digest() -> str:
    """Return the digest of the stage on disk."""
    forget()
    return provenance.code_digest("sfsc.stage")


def closure(source: str, package: Path) -> set[str]:
    """Return the import closure of a stage with some source."""
    (package / "stage.py").write_text(source)
    forget()
    return set(provenance.import_closure("sfsc.stage"))


def test_closure_is_transitive_and_has_the_packages(package: Path):
    """A closure has the module, its packages and all indirect imports, and nothing else."""
    (package / "room" / "part.py").write_text("from . import deep\n")
    (package / "room" / "deep.py").write_text("import json\n")
    expected = {"sfsc", "sfsc.stage", "sfsc.room", "sfsc.room.part", "sfsc.room.deep"}
    assert closure(STAGE, package) == expected


@pytest.mark.parametrize(
    "source",
    [
        "import sfsc.room.part",
        "import sfsc.room.part as p",
        "from sfsc.room.part import twice",
        "from sfsc.room import part as p",
        "from .room import part",
        "from .room.part import twice",
        "from . import room; from .room.part import *",
        "def late():\n    from sfsc.room import part",
        "try:\n    import sfsc.room.part\nexcept ImportError:\n    pass",
    ],
)
def test_every_form_of_import_is_followed(source: str, package: Path):
    """Absolute and relative, aliased, starred, lazy and conditional imports all count."""
    assert "sfsc.room.part" in closure(source, package)


def test_relative_import_in_a_package_file_is_of_that_package(package: Path):
    """The single dot of an `__init__` is its own package."""
    (package / "room" / "__init__.py").write_text("from . import part\n")
    assert "sfsc.room.part" in closure("import sfsc.room", package)


def test_a_part_is_hashed_where_it_is_named(package: Path):
    """A part, which nothing imports statically, counts if the job names it."""
    before = provenance.code_digest("sfsc.stage", "sfsc.alone")
    assert before != digest()
    (package / "alone.py").write_text("MORE = 1\n")
    forget()
    assert provenance.code_digest("sfsc.stage", "sfsc.alone") != before


def test_configuration_is_not_followed(package: Path):
    """Neither `sfsc.settings` nor what only it imports is in a closure."""
    (package / "settings" / "section.py").write_text("import sfsc.alone\n")
    source = "import sfsc.errors\nfrom sfsc.settings import section\n"
    assert closure(source, package) == {"sfsc", "sfsc.stage"}


def test_cycle_of_imports_ends(package: Path):
    """Modules that import each other are both in the closure."""
    (package / "alone.py").write_text("import sfsc.stage\n")
    assert {"sfsc.stage", "sfsc.alone"} <= closure("import sfsc.alone", package)


@pytest.mark.parametrize(
    "source",
    [
        STAGE.replace("  # plainly", "  # with other words"),
        STAGE.replace("Return twice the value.", "Double the value."),
        STAGE.replace('    """Return twice the value."""\n', ""),
        STAGE.replace("part.twice(value)", "(\n        part.twice(\n value ) )"),
    ],
    ids=["comment", "docstring", "no docstring", "formatting"],
)
def test_digest_ignores_what_cannot_change_a_result(source: str, package: Path):
    """Comments, docstrings and formatting are not in the digest."""
    before = digest()
    (package / "stage.py").write_text(source)
    assert digest() == before


@pytest.mark.parametrize("name", ["stage.py", "room/part.py", "room/__init__.py", "__init__.py"])
def test_digest_follows_code(name: str, package: Path):
    """A new statement in any file of the closure changes the digest."""
    before = digest()
    (package / name).write_text((package / name).read_text() + "\nMORE = 1\n")
    assert digest() != before


@pytest.mark.parametrize("name", ["alone.py", *NOT_HASHED])
def test_digest_does_not_follow_other_code(name: str, package: Path):
    """Modules that are not imported or cannot change a result do not count."""
    imports = "import sfsc.cli, sfsc.errors, sfsc.provenance, sfsc.settings.section\n"
    (package / "stage.py").write_text(f"{STAGE}{imports}")
    before = digest()
    (package / name).write_text("MORE = 1\n")
    assert digest() == before


def test_digest_follows_a_named_template(package: Path):
    """A data file that the module names is part of its code."""
    (package / "stage.py").write_text("TEMPLATE = 'page.j2'\n")
    (package / "page.j2").write_text("<p>")
    (package / "other.j2").write_text("<p>")
    before = digest()
    (package / "other.j2").write_text("<q>")
    assert digest() == before
    (package / "page.j2").write_text("<q>")
    assert digest() != before


@pytest.mark.usefixtures("package")
def test_unknown_module_is_refused():
    """An unknown module is an error, not an empty closure."""
    with pytest.raises(ValueError, match=r"must be part of the package\. Found `sfsc\.nothing`\."):
        provenance.code_digest("sfsc.nothing")


def test_invalid_module_is_refused(package: Path):
    """A module that cannot be parsed is named."""
    (package / "stage.py").write_text("def (:\n")
    with pytest.raises(ValueError, match=r"must be valid Python\. Found `.*stage\.py`"):
        digest()


@pytest.mark.usefixtures("package")
def test_fingerprint_is_the_slice_and_the_code(tmp_path: Path):
    """The file holds the slice and the digest of the code."""
    path = tmp_path / "config" / "train.json"
    forget()
    assert provenance.write_fingerprint(path, {"b": 1, "a": [2]}, modules=["sfsc.stage"]) == path
    assert json.loads(path.read_text()) == {"config": {"a": [2], "b": 1}, "code": digest()}


@pytest.mark.usefixtures("package")
def test_equal_fingerprint_leaves_the_file_alone(tmp_path: Path):
    """The file is written only if its content changes."""
    path = tmp_path / "train.json"
    provenance.write_fingerprint(path, {"a": 1}, modules=["sfsc.stage"])
    before = path.stat()
    provenance.write_fingerprint(path, {"a": 1}, modules=["sfsc.stage"])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    provenance.write_fingerprint(path, {"a": 2}, modules=["sfsc.stage"])
    assert json.loads(path.read_text())["config"] == {"a": 2}
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["train.json"]


@pytest.mark.usefixtures("package")
def test_fingerprint_refuses_what_json_cannot_hold(tmp_path: Path):
    """Numbers that are not finite are refused, as JSON cannot hold them."""
    with pytest.raises(ValueError, match="JSON"):
        provenance.write_fingerprint(tmp_path / "x.json", {"a": float("nan")}, modules=[])
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1", "C.UTF-8"])
def test_digest_does_not_follow_the_locale(locale: str, tmp_path: Path):
    """A module with letters beyond ASCII has one digest, whatever the terminal speaks."""
    program = (
        "from pathlib import Path; from sfsc import provenance;"
        f"path = Path({str(tmp_path / 'train.json')!r});"
        "text = provenance.fingerprint({'a': chr(233)}, ['sfsc.reporting.report']);"
        "provenance.write_fingerprint(path, {'a': chr(233)}, modules=['sfsc.reporting.report']);"
        "before = path.stat().st_ino;"
        "provenance.write_fingerprint(path, {'a': chr(233)}, modules=['sfsc.reporting.report']);"
        "assert path.stat().st_ino == before;"
        "print(provenance.short_digest(text.encode()))"
    )
    variables = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", program]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr.decode()
    here = provenance.fingerprint({"a": "é"}, ["sfsc.reporting.report"])
    assert result.stdout.decode().strip() == provenance.short_digest(here.encode())


def test_every_text_is_read_and_written_as_utf_8():
    """No call leaves the encoding to the locale."""
    assert [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*(ROOT / "sfsc").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and leaves_encoding(node)
    ] == []


def leaves_encoding(call: ast.Call) -> bool:
    """Return whether a call reads or writes text and names no encoding."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    named = {keyword.arg for keyword in call.keywords}
    modes = [n.value for n in call.args if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    opens_text = name == "open" and set(modes) & {"r", "w", "a", "a+", "x"}
    reads_text = name in {"read_text", "write_text"}
    return bool(
        (opens_text or reads_text or "text" in named & {"text"}) and "encoding" not in named
    )


def test_a_job_with_other_settings_than_planned_is_refused(tmp_path: Path):
    """The sentence names the file; the planned content is accepted."""
    path = tmp_path / "train.json"
    path.write_text("{}")
    planned = provenance.short_digest(b"{}")
    provenance.check_digest(path, planned)
    path.write_text("{ }")
    with pytest.raises(ConfigError) as caught:
        provenance.check_digest(path, planned)
    assert str(caught.value) == (
        f"{path} must hold the settings that this job was planned with. Found "
        f"{provenance.short_digest(b'{ }')} in place of {planned}: settings or code were changed "
        "meanwhile. Start Snakemake again."
    )
    path.unlink()
    with pytest.raises(ConfigError, match=r"Found no file in place of"):
        provenance.check_digest(path, planned)


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


def test_revision_and_cleanliness_are_those_of_the_package(package: Path, tmp_path: Path):
    """A changed source makes the tree unclean; a changed report does not."""
    assert (provenance.git_revision(), provenance.is_tree_clean()) == ("unknown", False)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    assert len(provenance.git_revision()) == 40
    (tmp_path / "report.html").write_text("new")
    assert provenance.is_tree_clean()
    (package / "alone.py").write_text("MORE = 1\n")
    assert not provenance.is_tree_clean()


def test_environment_names_versions_and_machine():
    """Versions and machine are recorded in readable form."""
    found = provenance.environment()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"torch", "numpy", "platform", "cpu", "cpus"} <= found.keys()
    assert all(isinstance(value, str) and value for value in found.values())


def test_digest_of_a_file_is_its_sha256(tmp_path: Path):
    """The digest is the one that `sha256sum` prints."""
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert provenance.digest_of(path) == expected


def test_import_is_light():
    """The workflow starts without importing torch, numpy or pandas."""
    heavy = "{'torch', 'numpy', 'pandas', 'pydantic', 'mlflow'}"
    code = f"import sys, sfsc.provenance; print({heavy} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_sources_can_be_imported_from_their_archive(package: Path, tmp_path: Path):
    """The archive holds the stage, all that it imports, settings included, and nothing else."""
    (package / "stage.py").write_text(
        "from sfsc.room import part\nfrom sfsc.settings import section\n"
    )
    forget()
    provenance.write_sources(tmp_path / "code.zip", "sfsc.stage")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'code.zip')!r}); import sfsc.stage;"
        "print(sorted(name for name in sys.modules if name.startswith('sfsc')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd="/"
    )
    modules = ["", ".room", ".room.part", ".settings", ".settings.section", ".stage"]
    assert result.stdout == f"{[f'sfsc{module}' for module in modules]}\n"
    with zipfile.ZipFile(tmp_path / "code.zip") as archive:
        assert len(archive.namelist()) == len(modules)
