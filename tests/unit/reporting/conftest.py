"""A made-up study, read by many tests."""

from pathlib import Path

import pytest
from result_files import study_job, write_measured, write_prepared, write_study

from sfsc.reporting.claims import write_claims
from sfsc.reporting.runs import Results
from sfsc.reporting.tables.cost import write_cost
from sfsc.reporting.tables.write import write_tables
from sfsc.settings.jobs import StudyJob


@pytest.fixture(scope="session")
def job() -> StudyJob:
    """Nine methods, two ablations, two robustness studies and a search, two seeds each."""
    return study_job()


@pytest.fixture(scope="session")
def study(job: StudyJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `results/<study>` of the study; not to be changed."""
    return write_study(tmp_path_factory.mktemp("results") / "toy", job)


@pytest.fixture(scope="session")
def results(job: StudyJob, study: Path) -> Results:
    """The study's runs on its data set."""
    return Results(job, study, "synthetic")


@pytest.fixture(scope="session")
def reports(job: StudyJob, study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables, metrics, claims and costs of the study; not to be changed."""
    folder = tmp_path_factory.mktemp("reports")
    write_tables(job, study, folder / "tables", folder / "metrics.json", [])
    write_claims(job, study, folder / "claims.json")
    write_cost([write_measured(folder / "measured.json")], folder / "cost.csv")
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared set; not to be changed."""
    return write_prepared(tmp_path_factory.mktemp("data") / "synthetic")
