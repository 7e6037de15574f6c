"""Experiments of DVC, and links instead of copies, give the numbers of a training from scratch.

Where DVC puts results back, Snakemake's records are missing or modification times are in any order:
the cases that go wrong silently.
"""

import csv
import hashlib
import io
import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from workspaces import STUDY_FOLDERS, Repository

WEIGHT = "methods.sfsc.loss.terms.compatible.weight"
METRICS = "reports/default/metrics.json"
MAP = "synthetic.sfsc.average_map_mean"
SMOKE = "studies/dvc/dvc.yaml:study@smoke"


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository whose study DVC has reproduced, pushed to a folder; not to be changed."""
    repository = Repository.make(tmp_path_factory.mktemp("dvc") / "reproduced")
    repository.output("dvc", "repro")
    repository.publish()
    return repository


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory):
    """The metrics, as bytes, of a weight in a project in which nothing was made before."""

    @cache
    def metrics(weight: float) -> bytes:
        repository = Repository.make(tmp_path_factory.mktemp("scratch") / "repository")
        repository.weigh(weight)
        result = repository.run("--", METRICS)
        assert result.returncode == 0, result.stdout
        return (repository.folder / METRICS).read_bytes()

    return metrics


@pytest.fixture
def repository(reproduced: Repository, tmp_path: Path) -> Repository:
    """A copy of it, to be changed."""
    return reproduced.copy(tmp_path / "repository")


def check_experiments(repository: Repository, expected: dict[str, bytes]) -> None:
    """Check what DVC recorded of experiments, by name, and what it shows of them.

    The numbers of the workspace and of its last commit are shown, too.
    """
    table = repository.output("dvc", "exp", "show", "--csv", "--no-pager")
    rows = {row["Experiment"] or row["rev"]: row for row in csv.DictReader(io.StringIO(table))}
    assert rows.keys() == {"workspace", "main", *expected}
    for name, metrics in expected.items():
        recorded = repository.output("git", "show", f"{rows[name]['rev']}:{METRICS}")
        assert recorded.encode() == metrics
        assert float(rows[name][MAP]) == average_map(metrics) != float(rows["main"][MAP])


def average_map(metrics: bytes) -> float:
    """Return the average mAP of SFSC."""
    return json.loads(metrics)["synthetic"]["sfsc"]["average_map_mean"]


def test_an_experiment_in_the_workspace_makes_what_depends_on_it(repository: Repository, scratch):
    """One training; Snakemake has nothing to do behind it, and the differences are shown."""
    words = repository.call("dvc", "exp", "run", "--name", "half", "--set-param", f"{WEIGHT}=0.5")
    assert words.returncode == 0, words.stderr
    assert re.findall(r"^(train_\w+) +(\d+)$", words.stdout + words.stderr, re.MULTILINE)[0] == (
        "train_sfsc", "1"
    )  # fmt: skip
    assert "train_bct_s " not in words.stdout + words.stderr
    assert repository.planned() == {}
    check_experiments(repository, {"half": scratch(0.5)})
    differences = json.loads(repository.output("dvc", "metrics", "diff", "--json"))
    assert differences[METRICS][MAP]["new"] == average_map(scratch(0.5))


def test_an_experiment_elsewhere_gives_the_right_numbers(repository: Repository, scratch):
    """In a temporary folder there are no records of Snakemake; the workspace stays as it is."""
    before = repository.files()
    repository.output(
        "dvc", "exp", "run", "--temp", "--name", "half", "--set-param", f"{WEIGHT}=0.5"
    )
    check_experiments(repository, {"half": scratch(0.5)})
    assert repository.files() == before
    assert repository.planned() == {}


def test_queued_experiments_give_the_right_numbers(repository: Repository, scratch):
    """Two at once, each in a folder of its own."""
    expected = {"two": scratch(2.0), "three": scratch(3.0)}
    for name, weight in (("two", 2.0), ("three", 3.0)):
        repository.output(
            "dvc", "exp", "run", "--queue", "--name", name, "--set-param", f"{WEIGHT}={weight}"
        )
    repository.output("dvc", "exp", "run", "--run-all", "--jobs", "2")
    check_experiments(repository, expected)


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_links_to_the_cache_change_nothing(
    link: str, reproduced: Repository, scratch, tmp_path: Path
):
    """In a clone of links, what is made again is right and the cache stays whole."""
    clone = reproduced.clone(tmp_path / "clone")
    clone.output("dvc", "config", "--local", "cache.type", link)
    clone.output("dvc", "pull", "reproduce")
    clone.output("bash", "-c", "dvc status -q reproduce && snakemake --touch --forceall all")
    assert clone.planned() == {"track": 1}
    clone.weigh(0.5)
    clone.output("dvc", "repro")
    assert (clone.folder / METRICS).read_bytes() == scratch(0.5)
    assert clone.planned() == {}
    clone.output("dvc", "status", "--quiet", "reproduce")
    objects = [p for p in (clone.folder / ".dvc/cache/files/md5").rglob("*") if p.is_file()]
    assert objects
    for path in objects:
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        assert path.parent.name + path.name.removesuffix(".dir") == digest


def test_another_study_is_a_stage_beside_the_default_one(repository: Repository, tmp_path: Path):
    """It leaves the default study alone, is pushed with it, and a clone gets it by name."""
    before = repository.files()
    overlay = repository.folder / "studies/smoke.yaml"
    overlay.write_text(yaml.safe_dump({"study": "smoke", "seeds": [1], "variation_seeds": [1]}))
    repository.output("dvc", "repro", SMOKE)
    assert repository.planned("--configfile", "studies/smoke.yaml") == {}
    assert repository.files() == before
    assert repository.planned() == {}
    repository.output("dvc", "status", "--quiet", "reproduce", SMOKE)
    repository.commit()
    repository.output("dvc", "push")
    clone = repository.clone(tmp_path / "clone")
    clone.output("dvc", "pull", SMOKE)
    folders = [folder.replace("default", "smoke") for folder in STUDY_FOLDERS[:2]]
    assert clone.files(*folders) == repository.files(*folders) != {}
    assert clone.files("results/default") == {}
