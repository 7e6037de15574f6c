"""What a study trains, what its jobs depend on, and which files they miss."""

from pathlib import Path

import pytest

from sfsc import plan
from sfsc.errors import ConfigError
from sfsc.plan import Dependencies
from sfsc.settings.experiment import Params, parse_params
from sfsc.settings.jobs import NetworkOfRun
from sfsc.settings.reading import merge, read_tree

PARAMS = Path(__file__).parents[2] / "params.yaml"
SMALL = {
    "study": "toy",
    "seeds": [0, 1],
    "variation_seeds": [0],
    "compare": ["bct", "sfsc"],
    "network": {"widths": [0.25, 1.0]},
}


def params(**overlay: object) -> Params:
    """Return the project's parameters without variations, with overlays."""
    tree = merge(read_tree([PARAMS]), SMALL) | {"ablation": {}, "robustness": {}}
    return parse_params(merge(tree, overlay))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_network_has_a_folder_of_its_own():
    """A switchable run is one network; another one has a network for each width."""
    assert plan.trainings(params(seeds=[0])) == {
        "independent/seed0/width1": (NetworkOfRun("independent", 1.0), 0),
        "bct/seed0/width0.25": (NetworkOfRun("bct", 0.25), 0),
        "sfsc/seed0": (NetworkOfRun("sfsc", None), 0),
    }


def test_a_search_trains_its_candidates_alone():
    """No compared row is trained."""
    search = {"methods": ["sfsc"], "vary": "loss.terms.compatible.weight", "values": [0.5, 2.0]}
    found = plan.runs(params(search={"weight": search}))
    assert found == {"sfsc@weight=0.5": (0,), "sfsc@weight=2": (0,)}


def test_each_job_depends_on_its_slice_and_its_parts():
    """The parts that a slice names are not imported by the stage: they are listed."""
    job = plan.training_dependencies(params())["results/toy/synthetic/sfsc/seed1/config/train.json"]
    assert job.config["seed"] == 1
    assert {"sfsc.training.run", "sfsc.losses.terms.compatible"} <= set(job.modules)
    assert not job.files


def test_the_address_of_a_store_is_not_written():
    """It may hold a password."""
    (text,) = [
        job.text
        for path, job in plan.reports(params(), ["conflicts"], "http://me:secret@host").items()
        if path.endswith("track.json")
    ]
    assert "secret" not in text


def test_fingerprints_are_written_only_where_they_changed():
    """An equal file keeps its time; a changed one is found and replaced."""
    jobs = {"config/a.json": job(), "config/b.json": job()}
    assert plan.changed(jobs) == list(jobs)
    plan.write(jobs, plan.changed(jobs))
    assert plan.changed(jobs) == []
    Path("config/b.json").write_text("{}")
    assert plan.changed(jobs) == ["config/b.json"]


def job(*files: str) -> Dependencies:
    """Return a job that reads files."""
    return Dependencies({"a": 1}, ["sfsc.errors"], {f"Needs {file}.": file for file in files})


def test_missing_files_are_named_at_once():
    """Unless a rule makes them, or the job has its results: near names are suggested."""
    Path("weights").mkdir()
    Path("weights/resnet50.pth").touch()
    jobs = {"a.json": job("weights/resnet5O.pth", "x"), "b.json": job("y", "weights/resnet50.pth")}
    with pytest.raises(ConfigError) as caught:
        plan.check_files(jobs, source="params.yaml", is_made=lambda file: file == "x")
    assert str(caught.value) == (
        "params.yaml is not valid (2 problems):\n"
        "  - Needs weights/resnet5O.pth. Did you mean 'weights/resnet50.pth'?\n"
        "  - Needs y."
    )
    plan.write(jobs, jobs)
    plan.check_files(jobs, source="params.yaml")


@pytest.mark.parametrize(
    ("overlay", "key"),
    [
        ({"network": {"pretrained": "no.pth"}}, "network.pretrained"),
        (
            {"methods": {"sfsc": {"network": {"pretrained": "no.pth"}}}},
            "methods.sfsc.network.pretrained",
        ),
        (
            {
                "robustness": {
                    "start": {
                        "methods": ["sfsc"],
                        "vary": "network.pretrained",
                        "values": ["no.pth"],
                    }
                }
            },
            "start.no.pth.network.pretrained",
        ),
    ],
)
def test_the_key_that_names_missing_weights_is_told(overlay: dict[str, object], key: str):
    """It is the section's, the row's or the condition's."""
    with pytest.raises(ConfigError) as caught:
        plan.check_files(plan.training_dependencies(params(**overlay)), source="params.yaml")
    assert str(caught.value) == (
        "params.yaml is not valid (1 problem):\n"
        f"  - `{key}` must name a file that exists. Found 'no.pth'."
    )


def test_raw_files_that_the_user_provides_are_needed():
    """Those of a set that is downloaded are not."""
    custom = params(
        datasets=["custom", "omniglot"],
        augmentation={"custom": {}, "omniglot": {}},
        data={"custom": {"image_height": 16, "image_width": 16}},
    )
    found = plan.preparations(custom)
    assert found["data/prepared/toy/custom.json"].files == {
        "`data.custom` must find its file `data/raw/custom/images.csv`. Found none.": (
            "data/raw/custom/images.csv"
        )
    }
    assert not found["data/prepared/toy/omniglot.json"].files
