"""From a row of a table to its files, digests and commands."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from sfsc.cli import main
from sfsc.provenance import digest_of

RUN = "synthetic/sfsc"


@pytest.fixture
def project(study: Path, reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose study `toy` is finished and mirrored in part; the working directory."""
    shutil.copytree(study, tmp_path / "results" / "toy")
    shutil.copytree(reports, tmp_path / "reports" / "toy")
    stamp = {"status": "ok", "mlflow_runs": {"toy/synthetic/sfsc/seed0": "0a1b2c"}}
    (tmp_path / "results" / "toy" / "mlflow.json").write_text(json.dumps(stamp))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def explain(*arguments: str, table: str = "main") -> int:
    """Run the stage on a table of the project."""
    return main(["explain", f"reports/toy/tables/{table}.csv", *arguments])


def test_each_seed_has_its_chain(project: Path, capsys: pytest.CaptureFixture[str]):
    """Files, mirror, digests, revision, environment and commands, seed by seed."""
    assert explain("--row", "sfsc") == 0
    first, *seeds = capsys.readouterr().out.split("\n\n")
    assert first.startswith("reports/toy/tables/main.csv, row `sfsc` of synthetic: average mAP ")
    assert first.endswith("mean and standard deviation of the seeds 0, 1.")
    run = json.loads((project / "results/toy" / RUN / "seed0/cross_test.json").read_text())
    cells = [cell for row in run["matrices"]["map_step"] for cell in row]
    folder = f"results/toy/{RUN}/seed0"
    assert seeds[0].splitlines() == [
        f"seed 0: {folder}",
        f"  average mAP  {100 * sum(cells) / len(cells):.2f} %, of cross_test.json",
        "  MLflow       run 0a1b2c of experiment sfsc/toy",
        f"  parameters   {folder}/config/train.json, sha256 cccccccccccc, not here",
        "  data         data/prepared/toy/synthetic/manifest.csv, sha256 eeeeeeeeeeee, not here",
        f"  code         digest {'d' * 16}, git {'0123456789abcdef' * 2}01234567, sources clean",
        "  trained      until unknown, 123 s, torch 2.13.0, A processor",
        (
            f"  commands     sfsc train --config {folder}/config/train.json "
            f"--data data/prepared/toy/synthetic --output {folder}"
        ),
        (
            f"               sfsc evaluate --config {folder}/config/evaluate.json --run {folder} "
            f"--data data/prepared/toy/synthetic --output {folder}"
        ),
    ]
    assert "  MLflow       not mirrored yet: run `sfsc track` or the rule `track`" in seeds[1]


def test_one_seed_has_no_deviation(project: Path, capsys: pytest.CaptureFixture[str]):
    """A standard deviation needs two seeds: none is shown, rather than `nan`."""
    table = project / "reports/toy/tables/main.csv"
    frame = pd.read_csv(table, dtype={"seeds": str})
    of_row = frame["run" if "run" in frame else "method"] == "sfsc"
    frame.loc[of_row, "seeds"], frame.loc[of_row, "average_map_std"] = "0", float("nan")
    frame.to_csv(table, index=False)
    assert explain("--row", "sfsc") == 0
    first = capsys.readouterr().out.partition("\n")[0]
    assert first.endswith(" %, of the one seed 0.")
    assert "nan" not in first


def test_a_changed_file_is_marked(project: Path, capsys: pytest.CaptureFixture[str]):
    """The digests of the run are compared with the files that are there."""
    folder = project / "results/toy" / RUN / "seed0"
    config = folder / "config" / "train.json"
    config.parent.mkdir()
    config.write_text("{}")
    assert explain("--row", "sfsc") == 0
    assert "sha256 cccccccccccc, CHANGED since" in capsys.readouterr().out
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"config_digest": digest_of(config)}))
    assert explain("--row", "sfsc") == 0
    assert f"sha256 {digest_of(config)[:12]}, unchanged" in capsys.readouterr().out


def test_a_run_that_was_assembled_names_its_networks(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    """Each network has a chain of its own; the command of its training names the reference."""
    folder = project / "results/toy/synthetic/independent/seed0"
    record = json.loads((folder / "run.json").read_text())
    network = folder / "width0.25"
    network.mkdir()
    settings = record["settings"] | {"reference": "independent"}
    (network / "run.json").write_text(json.dumps(record | {"settings": settings}))
    networks = {"networks": ["independent/seed0/width0.25"]}
    (folder / "run.json").write_text(json.dumps(record | networks))
    assert explain("--row", "independent") == 0
    text = capsys.readouterr().out
    path = "results/toy/synthetic/independent/seed0"
    assert "  made of      independent/seed0/width0.25\n" in text
    assert (
        f"  commands     sfsc assemble --config {path}/config/assemble.json --networks "
        f"{path}/width0.25 --data data/prepared/toy/synthetic --output {path}\n"
    ) in text
    assert (
        f"    command      sfsc train --config {path}/width0.25/config/train.json --data "
        f"data/prepared/toy/synthetic --output {path}/width0.25 --reference {path}/width1\n"
    ) in text


@pytest.mark.usefixtures("project")
def test_a_condition_is_named_by_its_run(capsys: pytest.CaptureFixture[str]):
    """Ablations and robustness tables have a column `run`."""
    assert explain("--row", "sfsc@kl_weight=0.05", table="robustness") == 0
    assert "seed 1: results/toy/synthetic/sfsc@kl_weight=0.05/seed1\n" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "remake"), [("toy", " STUDY=toy"), ("default", "")])
def test_a_clone_without_results_is_told_how_to_get_them(
    name: str, remake: str, project: Path, capsys: pytest.CaptureFixture[str]
):
    """Git has the reports alone; DVC has the results, or they are computed."""
    shutil.rmtree(project / "results")
    (project / "reports" / "toy").rename(project / "reports" / name)
    assert main(["explain", f"reports/{name}/tables/main.csv", "--row", "sfsc"]) == 1
    assert capsys.readouterr().err == (
        f"ResultError: The results of the row must be in results/{name}/synthetic/sfsc. Found no "
        f"such folder. `dvc pull results/{name}` fetches the study's results; `make "
        f"reproduce{remake}` computes them.\n"
    )


@pytest.mark.usefixtures("project")
def test_a_table_of_no_runs_is_refused(capsys: pytest.CaptureFixture[str]):
    """The cost of sub-models depends on an architecture, not on a run."""
    assert main(["explain", "reports/toy/cost.csv", "--row", "sfsc"]) == 1
    assert capsys.readouterr().err == (
        "ResultError: reports/toy/cost.csv must be a table of runs: main, ablation or robustness. "
        "Found no column `average_map_mean`.\n"
    )


@pytest.mark.usefixtures("project")
def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]):
    """The sentence lists the rows and the nearest one."""
    assert explain("--row", "sfcs") == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "ResultError: `--row` must be a `method` of reports/toy/tables/main.csv"
    )
    assert error.endswith("Found `sfcs`. Did you mean 'sfsc'?\n")


def test_the_same_row_of_two_data_sets_needs_the_data_set(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    """Which one is asked; `--dataset` answers."""
    table = project / "reports/toy/tables/main.csv"
    text = table.read_text()
    table.write_text(text + text.partition("\n")[2].replace("synthetic,", "omniglot,"))
    assert explain("--row", "sfsc") == 1
    assert capsys.readouterr().err == (
        "ResultError: `--dataset` must say which of the rows `sfsc` of "
        "reports/toy/tables/main.csv is meant. Found rows of synthetic, omniglot.\n"
    )
    assert explain("--row", "sfsc", "--dataset", "synthetic") == 0
