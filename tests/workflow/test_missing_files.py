"""A setting that names a missing file is an error, also where the results of other settings are."""

from pathlib import Path

import pytest

from workspaces import Workspace

pytestmark = pytest.mark.slow

DRAWN = '''"""A set that is drawn, and has a raw file all the same."""

from sfsc.data.sets.synthetic import Settings, build, expected_counts

__all__ = ["Settings", "build", "expected_counts"]
RAW = ("periods.txt",)
'''
COST = "results/tiny/drawn/cost.json"
PROBLEM = "params.yaml, study.yaml is not valid (1 problem):\n  - "


def check(workspace: Workspace) -> tuple[int, str]:
    """Run `sfsc check` on the workspace's study; return its exit code and what it wrote."""
    workspace.arguments()
    result = workspace.stage(["check", "params.yaml", "study.yaml"])
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("overlay", "key"),
    [
        ({"network": {"pretrained": "weights/resnet5O.pth"}}, "network.pretrained"),
        (
            {"methods": {"sfsc": {"network": {"pretrained": "weights/resnet5O.pth"}}}},
            "methods.sfsc.network.pretrained",
        ),
        (
            {"robustness": {"start": {
                "methods": ["sfsc"],
                "conditions": {"other": {"network": {"pretrained": "weights/resnet5O.pth"}}},
            }}},
            "start.other.network.pretrained",
        ),
    ],
)  # fmt: skip
def test_a_typo_after_a_finished_study_is_refused(
    overlay: dict[str, dict[str, object]], key: str, changed: Workspace
):
    """Results of other settings are there; `sfsc check` and Snakemake name the file and the key."""
    weights = changed.folder / "weights/resnet50.pth"
    weights.parent.mkdir()
    weights.touch()
    for section, values in overlay.items():
        changed.study[section] = changed.study.get(section, {}) | values
    sentence = (
        f"{PROBLEM}`{key}` must name a file that exists. Found 'weights/resnet5O.pth'. Did you "
        "mean 'weights/resnet50.pth'?\n"
    )
    assert check(changed) == (1, f"ConfigError: {sentence}")
    for arguments in (["--dry-run"], []):
        result = changed.run(*arguments, "--", "all")
        assert result.returncode == 1
        assert result.stdout.endswith(sentence)
        assert "Traceback" not in result.stdout


def test_a_raw_file_is_needed_only_by_what_changed(workspace: Workspace):
    """Without the raw file unchanged settings have nothing to do, and changed ones are refused."""
    (workspace.folder / "sfsc/data/sets/drawn.py").write_text(DRAWN)
    workspace.study["datasets"] = ["drawn"]
    workspace.study["data"] |= {"drawn": workspace.study["data"]["synthetic"] | {"image_size": 24}}
    workspace.study["augmentation"] = {"drawn": {"flip": True}}
    sentence = (
        f"{PROBLEM}`data.drawn` must find its file `data/raw/drawn/periods.txt`. Found none.\n"
    )
    assert workspace.run("--", COST).stdout.endswith(sentence)
    assert check(workspace) == (0, "The parameters are valid.\n")  # the file may still come
    raw = workspace.folder / "data/raw/drawn/periods.txt"
    raw.parent.mkdir(parents=True)
    raw.touch()
    made = workspace.run("--", COST)
    assert made.returncode == 0, made.stdout
    raw.unlink()
    assert "Nothing to be done" in workspace.run("--", COST).stdout
    assert check(workspace)[0] == 0
    workspace.study["data"]["drawn"]["image_size"] = 25
    assert workspace.run("--", COST).stdout.endswith(sentence)
    assert check(workspace) == (1, f"ConfigError: {sentence}")


def test_a_training_names_the_missing_weights(changed: Workspace, tmp_path: Path):
    """The stage itself, called by hand, ends with a sentence."""
    config = changed.folder / "results/tiny/synthetic/sfsc/seed0/config/train.json"
    config.write_text(config.read_text().replace('"pretrained": null', '"pretrained": "no.pth"'))
    data, output = "data/prepared/tiny/synthetic", str(tmp_path / "out")
    result = changed.stage(["train", "--config", str(config), "--data", data, "--output", output])
    assert result.returncode == 1
    assert result.stderr == (
        "ConfigError: `network.pretrained` must be a file with a state dict, written by torch or "
        "safetensors. Found no.pth: no such file or directory.\n"
    )
