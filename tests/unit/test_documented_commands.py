"""Every command of the documentation parses as it is meant to, and names files that exist."""

import argparse
import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
import snakemake.cli
import yaml
from dvc.cli import DvcParserError
from dvc.cli import parse_args as parse_dvc
from dvc.utils.hydra import apply_overrides

from sfsc import cli
from sfsc.settings.experiment import load_params

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMENTED = [
    ROOT / "Snakefile",
    *sorted((ROOT / "studies").rglob("*.yaml")),
    *sorted((ROOT / "profiles").rglob("*.yaml")),
]
"""Files whose comments hold commands, indented by three spaces."""
COMMENT = re.compile(
    r"^# {3}((?:\w+=\S+ )?(?:cd|dvc|make|python|sfsc|snakemake) .*)$", re.MULTILINE
)
FENCE = re.compile(
    r"^ *```(?P<language>\S*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)
LANGUAGES = {"shell", "console", "python", "yaml", "bibtex", "text"}
TRACKED = ("benchmarks/", "docs/", "profiles/", "reports/default", "sfsc/", "studies/", "tests/")
"""Where a file that a command names must be in the repository; other folders are made by jobs."""
MADE_BY_STUDIES = ("data/prepared", "reports", "results")
PLAIN = {
    "cd", "du", "find", "git", "mypy", "npm", "pre-commit", "pytest", "ruff", "snakefmt", "source"
}  # fmt: skip
"""Programs of which only the files that they name are checked."""


class Command(NamedTuple):
    """One command, and where it stands."""

    page: Path
    words: list[str]

    def __str__(self) -> str:
        """Return the name of a test."""
        return f"{self.page.relative_to(ROOT)}: {shlex.join(self.words)}"


def commands_of(line: str) -> Iterator[list[str]]:
    """Yield the commands of a line of a shell, without comments and variables set for them."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set(";&|"):
            words.append(word)
        elif words:
            while re.match(r"\w+=", words[0]):
                words = [*words[1:], words[0]] if "make" in words else words[1:]
            yield words
            words = []


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a file that are commands."""
    text = path.read_text()
    if path.suffix != ".md":
        yield from COMMENT.findall(text)
        return
    for block in FENCE.finditer(text):
        lines = block["body"].splitlines()
        if block["language"] == "shell":
            yield from filter(None, map(str.strip, lines))
        elif block["language"] == "console":
            yield from (line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def titles_of(page: Path) -> dict[str, str]:
    """Return the files that a page tells its reader to write."""
    blocks = FENCE.finditer(page.read_text()) if page.suffix == ".md" else ()
    return {block["title"]: block["body"] for block in blocks if block["title"]}


def check_snakemake(command: Command) -> None:
    """Check that targets are targets, configuration files exist and profiles can be read."""
    _, options = snakemake.cli.parse_args(command.words[1:])
    for path in options.configfile or ():
        check_file(command, str(path))
    folders = [f"{folder}/{study_of(command, options.configfile)}/" for folder in MADE_BY_STUDIES]
    for target in options.targets:
        is_target = target == "all" or target.startswith(("data/raw/", *folders))
        assert is_target, f"`{target}` is no target of the study"


def study_of(command: Command, configfiles: Sequence[Path] | None) -> str:
    """Return the name of the study that a command makes."""
    *_, last = configfiles or ["params.yaml"]
    text = titles_of(command.page).get(str(last)) or (ROOT / last).read_text()
    return yaml.safe_load(text)["study"]


def check_sfsc(command: Command) -> None:
    """Check the stage and its flags."""
    cli._parser().parse_args(command.words[1:])


def check_make(command: Command) -> None:
    """Check that there are such targets and variables, and such a study."""
    settings = dict(word.split("=") for word in command.words[1:] if "=" in word)
    targets = [word for word in command.words[1:] if "=" not in word]
    makefile = (ROOT / "Makefile").read_text()
    known = set(re.findall(r"^(\w+) +\?=", makefile, re.MULTILINE)) | {"SFSC_MIRROR"}
    assert settings.keys() <= known
    if "STUDY" in settings:
        check_file(command, f"studies/{settings['STUDY']}.yaml")
    dry = subprocess.run(
        ["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert dry.returncode == 0, dry.stderr


def check_dvc(command: Command) -> None:
    """Check the subcommand, the stages that it names and the parameters that it sets."""
    options = parse_dvc(command.words[1:])
    for target in getattr(options, "targets", None) or ():
        file, _, stage = target.rpartition(":")
        name, _, item = stage.partition("@")
        stages = yaml.safe_load((ROOT / (file or "dvc.yaml")).read_text())["stages"]
        assert name in stages, f"`{target}` is no stage"
        assert not item or item in stages[name]["foreach"], f"`{target}` is no stage"
    if overrides := getattr(options, "set_param", None):
        check_overrides(overrides)


def check_overrides(overrides: list[str]) -> None:
    """Check that DVC would write parameters that are valid."""
    with TemporaryDirectory() as folder:
        params = Path(folder) / "params.yaml"
        params.write_text((ROOT / "params.yaml").read_text())
        apply_overrides(params, overrides)
        load_params([params])


def check_mlflow(command: Command) -> None:
    """Check the subcommand and its flags."""
    parsed = subprocess.run(
        [sys.executable, "-m", "mlflow", *command.words[1:], "--help"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert parsed.returncode == 0, parsed.stderr


def check_python(command: Command) -> None:
    """Check that a module exists and knows the flags; a script is a file like any other."""
    if command.words[1] != "-m":
        return
    spec = importlib.util.find_spec(command.words[2])
    assert spec is not None, f"`{command.words[2]}` is no module"
    source = Path(str(spec.origin)).read_text()
    for flag in re.findall(r"--[\w-]+", shlex.join(command.words[3:])):
        assert f'"{flag}"' in source, f"`{command.words[2]}` has no flag `{flag}`"


CHECKS: dict[str, Callable[[Command], None]] = {
    "dvc": check_dvc,
    "make": check_make,
    "mlflow": check_mlflow,
    "python": check_python,
    "sfsc": check_sfsc,
    "snakemake": check_snakemake,
}


def check_file(command: Command, name: str) -> None:
    """Check that a file is in the repository or that its page tells the reader to write it."""
    assert (ROOT / name).exists() or name in titles_of(command.page), f"`{name}` does not exist"


def check(command: Command) -> None:
    """Check a command, whatever its program."""
    program, *words = command.words
    assert program in CHECKS or program in PLAIN, f"`{program}` is a program that no test knows"
    for word in words:
        if word.startswith(TRACKED):
            check_file(command, word.partition(":")[0])
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            CHECKS.get(program, lambda _: None)(command)
        except (SystemExit, argparse.ArgumentError, DvcParserError) as error:
            raise AssertionError(f"{errors.getvalue()}{error}") from error


COMMANDS = [
    Command(path, words)
    for path in [*PAGES, *COMMENTED]
    for line in lines_of(path)
    for words in commands_of(line)
]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_documented_command_is_valid(command: Command):
    """Its own parser accepts it, and targets, files, stages and parameters are what was meant."""
    check(command)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("snakemake --cores 8 --configfile studies/omniglot.yaml all", "`all` does not exist"),
        ("snakemake --configfile studies/none.yaml -- all", "`studies/none.yaml` does not exist"),
        ("snakemake -- everything", "`everything` is no target of the study"),
        ("snakemake -- results/omniglot/mlflow.json", "is no target of the study"),
        ("snakemake --no-such-flag all", "unrecognized arguments: --no-such-flag"),
        ("sfsc trian --config a", "invalid choice: 'trian'"),
        ("make nothing", "No rule to make target 'nothing'"),
        ("make reproduce STUDY=none", "`studies/none.yaml` does not exist"),
        ("dvc reproduce", "parser error"),
        ("dvc repro studies/dvc/dvc.yaml:study@none", "is no stage"),
        ("mlflow gc --none", "No such option"),
        ("python -m benchmarks.none", "`benchmarks.none` is no module"),
        ("python -m benchmarks.plan --none", "has no flag `--none`"),
        ("python tests/none.py", "`tests/none.py` does not exist"),
        ("curl example.org", "`curl` is a program that no test knows"),
    ],
)
def test_a_wrong_command_is_found(line: str, problem: str):
    """Each kind of mistake, the one that stood in the README first."""
    (words,) = commands_of(line)
    with pytest.raises(AssertionError, match=re.escape(problem)):
        check(Command(ROOT / "README.md", words))


def test_a_line_is_split_like_a_shell_does():
    """Comments and variables are dropped, but for those that `make` reads."""
    line = "A=1 dvc status -q && STUDY=a make b; sfsc 'c d' # e"
    assert list(commands_of(line)) == [
        ["dvc", "status", "-q"], ["make", "b", "STUDY=a"], ["sfsc", "c d"]
    ]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_names_its_language(page: Path):
    """A block without a language could hold a command that no test sees."""
    assert {block["language"] for block in FENCE.finditer(page.read_text())} <= LANGUAGES


STUDIES = [
    pytest.param(body, id=title)
    for files in map(titles_of, PAGES)
    for title, body in files.items()
    if title.startswith("studies/") and not any(name.startswith("sfsc/") for name in files)
]
"""Studies that a page shows; one that needs a part of the same page is left out."""


@pytest.mark.parametrize("body", STUDIES)
def test_a_documented_study_is_valid(body: str, tmp_path: Path):
    """What a reader copies overlays `params.yaml` without a mistake."""
    overlay = tmp_path / "study.yaml"
    overlay.write_text(body)
    load_params([ROOT / "params.yaml", overlay])
