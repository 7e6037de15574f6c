"""DVC and Snakemake leave the same files and believe each other; data move, and some stay here."""

import json
import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sfsc.provenance import digest_of

from workspaces import Repository

pytestmark = pytest.mark.slow

WEIGHT = "methods.sfsc.loss.terms.compatible.weight"
RUNS = ("bct_s", "sfsc")
RESULTS = Path("results/default/synthetic")
METRICS = "reports/default/metrics.json"
RESTORED = "dvc status -q reproduce && snakemake --touch --forceall all"
"""The documented command after `dvc pull`."""
LONGEST = 5.0
"""Seconds that a DVC command with nothing to do may take."""
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
RESTRICTED = '''"""Faces: a set whose licence says nothing; drawn, as the synthetic one."""

from sfsc.data.sets.synthetic import RAW, Settings, build, expected_counts

__all__ = ["RAW", "Settings", "build", "expected_counts"]
'''


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository whose study Snakemake has made; DVC has not seen it; not to be changed."""
    repository = Repository.make(tmp_path_factory.mktemp("dvc") / "finished")
    result = repository.run("--", "all")
    assert result.returncode == 0, result.stdout
    return repository


@pytest.fixture(scope="module")
def published(finished: Repository) -> Repository:
    """A copy of it that DVC has reproduced, committed and pushed to a folder."""
    repository = finished.copy(finished.folder.with_name("published"))
    repository.output("dvc", "repro")
    repository.publish()
    return repository


@pytest.fixture(scope="module")
def changed(published: Repository) -> Repository:
    """A clone that was pulled, and no more, in which DVC has reproduced another weight."""
    repository = published.clone(published.folder.with_name("changed"))
    repository.output("dvc", "pull", "reproduce")
    repository.weigh(0.5)
    repository.output("dvc", "repro")
    return repository


@pytest.fixture
def s3() -> Iterator[str]:
    """The address of a server that speaks S3, with a bucket `sfsc`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        keys = {name.lower(): value for name, value in KEYS.items()}
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
        client.create_bucket(Bucket="sfsc")
        client.close()
        yield address
    finally:
        server.stop()


def is_up_to_date(repository: Repository) -> bool:
    """Whether DVC finds the default study as its lock file says."""
    return repository.call("dvc", "status", "--quiet", "reproduce").returncode == 0


def test_after_snakemake_dvc_makes_nothing_again(finished: Repository, tmp_path: Path):
    """`dvc repro` starts Snakemake, which has nothing to do, and takes the files as they are."""
    repository = finished.copy(tmp_path / "repository")
    before = repository.files()
    assert "Nothing to be done" in repository.call("dvc", "repro").stderr
    assert repository.files() == before
    assert is_up_to_date(repository)
    assert repository.planned() == {}


def test_after_dvc_snakemake_makes_nothing_again(changed: Repository, finished: Repository):
    """`dvc repro` leaves the files that `snakemake all` leaves, and neither has more to do."""
    assert changed.files().keys() == finished.files().keys()
    assert changed.planned() == {}
    assert is_up_to_date(changed)


def test_nothing_to_do_is_quick(published: Repository):
    """DVC alone sees that nothing changed; Snakemake is not even started."""
    for command in (("dvc", "status", "reproduce"), ("dvc", "repro")):
        start = processor_seconds()
        assert "Data and pipelines are up to date." in published.output(*command)
        assert processor_seconds() - start < LONGEST


def processor_seconds() -> float:
    """Return what finished processes took: on an idle machine, about the time that one waits."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_a_clone_with_pulled_data_has_nothing_to_do(published: Repository, tmp_path: Path):
    """After one documented command nothing is made but the mirror, as MLflow's store is not here.

    From then on, a change reruns what depends on it and no more.
    """
    repository = published.clone(tmp_path / "clone")
    repository.output("dvc", "pull", "reproduce")
    repository.output("bash", "-c", RESTORED)
    assert repository.files() == published.files()
    assert is_up_to_date(repository)
    assert repository.planned() == {"track": 1}
    repository.weigh(0.5)
    jobs = repository.planned()
    assert {name: n for name, n in jobs.items() if name.startswith(("prepare", "train"))} == {
        "train_sfsc": 1
    }
    assert jobs["evaluate"] == 1


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_restored_data_rerun_nothing(link: str, published: Repository, tmp_path: Path):
    """Deleted results that DVC puts back, later than all that was made of them, are the same."""
    repository = published.copy(tmp_path / "repository")
    repository.output("dvc", "config", "--local", "cache.type", link)
    for path in (repository.folder / "data", repository.folder / RESULTS):
        path.rename(tmp_path / path.name)
    repository.output("dvc", "checkout", "--relink", "reproduce")
    weights = repository.folder / RESULTS / "sfsc/seed0/model.safetensors"
    assert weights.is_symlink() == (link == "symlink")
    assert (weights.stat().st_nlink > 1) == (link == "hardlink")
    assert repository.files() == published.files()
    assert repository.planned() == {}


def test_data_travel_through_s3(published: Repository, s3: str, tmp_path: Path):
    """What is pushed to a server that speaks S3 is what a clone pulls from it."""
    source = published.copy(tmp_path / "source")
    source.output("dvc", "remote", "add", "--default", "--force", "store", "s3://sfsc/dvc")
    source.output("dvc", "remote", "modify", "store", "endpointurl", s3)
    source.commit()
    source.output("dvc", "push", **KEYS)
    clone = source.clone(tmp_path / "clone")
    clone.output("dvc", "pull", "reproduce", **KEYS)
    assert clone.files() == published.files()


def test_a_changed_parameter_gives_the_right_numbers(
    changed: Repository, published: Repository, tmp_path: Path
):
    """In a clone without Snakemake's records DVC reproduces what a training from scratch finds."""
    scratch = Repository.make(tmp_path / "scratch")
    scratch.weigh(0.5)
    result = scratch.run("--", METRICS)
    assert result.returncode == 0, result.stdout
    tests = [f"{RESULTS}/{run}/seed0/cross_test.json" for run in RUNS]
    weights = [f"{RESULTS}/{run}/seed0/model.safetensors" for run in RUNS]
    for name in (METRICS, *tests, *weights):
        assert (changed.folder / name).read_bytes() == (scratch.folder / name).read_bytes()
    for name in (METRICS, tests[1], weights[1]):
        assert (changed.folder / name).read_bytes() != (published.folder / name).read_bytes()


def average_maps(repository: Repository) -> tuple[float, ...]:
    """Return the runs' average mAP."""
    metrics = json.loads((repository.folder / METRICS).read_text())["synthetic"]
    return tuple(metrics[run]["average_map_mean"] for run in RUNS)


def test_a_missing_file_is_not_locked(published: Repository, tmp_path: Path):
    """`dvc repro` fails as Snakemake does, and does not record the typo beside old results."""
    repository = published.copy(tmp_path / "repository")
    params = repository.params()
    params["network"]["pretrained"] = "weights/resnet5O.pth"
    repository.write_params(params)
    lock = (repository.folder / "dvc.lock").read_bytes()
    result = repository.call("dvc", "repro")
    assert result.returncode != 0
    assert "`network.pretrained` must name a file that exists. Found 'weights/resnet5O.pth'." in (
        result.stdout + result.stderr
    )
    assert (repository.folder / "dvc.lock").read_bytes() == lock
    assert not is_up_to_date(repository)


def test_dvc_shows_what_changed(changed: Repository, published: Repository):
    """It lists the parameters and metrics that differ from the last commit, and no others."""
    differences = json.loads(changed.output("dvc", "params", "diff", "--json"))
    assert differences == {"params.yaml": {WEIGHT: {"old": 1.0, "new": 0.5, "diff": -0.5}}}
    metrics = json.loads(changed.output("dvc", "metrics", "diff", "--json"))[METRICS]
    assert {key.split(".")[1] for key in metrics} == {"sfsc"}
    shown = metrics["synthetic.sfsc.average_map_mean"]
    (_, old), (_, new) = average_maps(published), average_maps(changed)
    assert (shown["old"], shown["new"]) == (old, new)


def test_dvc_draws_what_changed(changed: Repository):
    """The chart has both revisions of each method; the picture needs no network."""
    picture = "reports/default/figures/synthetic_cross_test.png"
    plots = json.loads(changed.output("dvc", "plots", "diff", "--json"))["data"]
    (chart,) = plots["reports/default/tables/main.csv"]
    rows = {(row["rev"], row["method"]) for row in chart["content"]["data"]["values"]}
    assert rows == {(revision, run) for revision in ("HEAD", "workspace") for run in RUNS}
    page = Path(changed.output("dvc", "plots", "diff").strip().removeprefix("file://"))
    assert "Average mAP" in page.read_text()
    shown = set(re.findall('<img src="(.+?)"', page.read_text()))
    assert shown == {
        f"static/{revision}_{picture.replace('/', '_')}" for revision in ("HEAD", "workspace")
    }
    assert (page.parent / f"static/workspace_{picture.replace('/', '_')}").read_bytes() == (
        changed.folder / picture
    ).read_bytes()


def test_images_that_may_not_be_passed_on_are_not_pushed(published: Repository, tmp_path: Path):
    """Snakemake makes them only where neither DVC nor git would push them.

    A pull elsewhere names what it lacks.
    """
    repository = published.copy(tmp_path / "repository")
    add_faces(repository)
    result = repository.run("--dry-run", "--", "all")
    assert result.returncode == 1
    assert result.stdout.partition("Files that show")[2] == (
        " images of faces must not be pushed, because sfsc/licence.py does not list the set as "
        "redistributable. Found `data/prepared/default`, pushed by DVC, "
        "`reports/default/index.html`, not ignored by git, "
        "`reports/default/figures/faces_retrieval.svg`, not ignored by git, "
        "`reports/default/figures/faces_retrieval.png`, not ignored by git. Mark a DVC out with "
        "`push: false` and add a file to .gitignore; or, if the licence allows redistribution, add "
        "the set to sfsc/licence.py.\n"
    )
    keep_here(repository)
    images = "data/prepared/default/faces/images.npy"
    made = repository.run("--", images)
    assert made.returncode == 0, made.stdout
    repository.output("dvc", "commit", "--force", "reproduce")
    repository.commit()
    remote = tmp_path / "remote"
    repository.output("dvc", "remote", "modify", "folder", "url", str(remote))
    repository.output("dvc", "push")
    repository.output("dvc", "push", "data/prepared/default")
    pushed = {digest_of(path) for path in remote.rglob("*") if path.is_file()}
    weights = f"{RESULTS}/sfsc/seed0/model.safetensors"
    assert digest_of(repository.folder / weights) in pushed
    assert digest_of(repository.folder / images) not in pushed
    clone = repository.clone(tmp_path / "clone")
    clone.output("dvc", "remote", "modify", "folder", "url", str(remote))
    pulled = clone.call("dvc", "pull", "reproduce")
    assert pulled.returncode == 1
    assert "data/prepared/default" in pulled.stderr
    assert (clone.folder / weights).exists()


def add_faces(repository: Repository) -> None:
    """Add a data set whose licence nobody has looked at to the default study."""
    (repository.folder / "sfsc/data/sets/faces.py").write_text(RESTRICTED)
    params = repository.params()
    params["datasets"] = ["synthetic", "faces"]
    params["data"]["faces"] = params["data"]["synthetic"] | {"seed": 1}
    params["augmentation"]["faces"] = params["augmentation"]["synthetic"]
    repository.write_params(params)


def keep_here(repository: Repository) -> None:
    """Do as the sentence says."""
    out = "data/prepared/default: {persist: true"
    repository.edit("dvc.yaml", out, f"{out}, push: false")
    with (repository.folder / ".gitignore").open("a") as file:
        file.write("/reports/default/index.html\n/reports/default/figures/faces_retrieval.*\n")
    repository.output("git", "rm", "--quiet", "--cached", "reports/default/index.html")


@pytest.mark.mirror
@pytest.mark.skipif("SFSC_MIRROR" not in os.environ, reason="SFSC_MIRROR names no folder")
def test_raw_archives_are_versioned(tmp_path: Path):
    """They are fetched once, and a clone without a network gets them from the remote."""
    archives, folder = "studies/dvc/dvc.yaml:omniglot_archives", "data/raw/omniglot"
    repository = Repository.make(tmp_path / "repository")
    repository.output("dvc", "repro", archives)
    assert len(repository.files(folder)) == 2
    repository.output("dvc", "remote", "add", "--default", "folder", str(tmp_path / "remote"))
    repository.commit()
    repository.output("dvc", "push", archives)
    clone = repository.clone(tmp_path / "clone")
    clone.output("dvc", "pull", archives)
    assert clone.files(folder) == repository.files(folder)
