"""The command line: `sfsc <stage>` parses paths, loads a slice of the configuration, runs a stage.

Hyper-parameters are not flags: they come from `params.yaml`, through the fingerprint file that the
workflow writes for each job. A stage's module is imported only when the stage runs.
"""

import logging
import os
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from sfsc.errors import DataError, SfscError
from sfsc.provenance import check_digest
from sfsc.settings.jobs import MeasureJob, PrepareJob, StudyJob, TrainJob, load_slice
from sfsc.settings.sections import Evaluate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage.

    Args:
        arguments: Command-line arguments; those of the process if None.

    Returns:
        The exit code: 0, or 1 after a mistake that the user can mend.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = _parser().parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if digest := getattr(options, "planned", None):
            check_digest(options.config, digest)
        options.run(options)
    except SfscError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _check(options: Namespace) -> None:
    from sfsc import plan
    from sfsc.networks.published import FOLDER, WEIGHTS
    from sfsc.settings.experiment import load_params

    params, fetched = load_params(options.files), {f"{FOLDER}/{name}" for name in WEIGHTS}
    # A raw file may still come, from the user or a rule, as long as no set was prepared.
    prepared = {p: job for p, job in plan.preparations(params).items() if Path(p).exists()}
    jobs = prepared | plan.training_dependencies(params)
    plan.check_files(
        jobs, source=", ".join(map(str, options.files)), is_made=lambda file: file in fetched
    )
    sys.stdout.write("The parameters are valid.\n")


def _new(options: Namespace) -> None:
    from sfsc.new_study import new_study

    lines = new_study(options.photos, options.name)
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _fetch(options: Namespace) -> None:
    from sfsc.networks import published
    from sfsc.settings import parts

    folder, _, name = options.file.partition("/")
    sets = {name: parts.load("data.sets", name) for name in parts.names("data.sets")}
    sources = {"weights": published} | {n: s for n, s in sets.items() if hasattr(s, "fetch")}
    if folder not in sources:
        raise DataError(
            f"The file to fetch must be in one of the folders {', '.join(sources)}. Found "
            f"`{options.file}`."
        )
    sources[folder].fetch(name, options.output, options.mirror)


def _prepare(options: Namespace) -> None:
    from sfsc.data.prepare import prepare

    job = load_slice(PrepareJob, options.config)
    prepare(job, raw_dir=options.raw, output_dir=options.output, threads=options.threads)


def _train(options: Namespace) -> None:
    processes = load_slice(TrainJob, options.config).train.processes
    if processes > 1 and "WORLD_SIZE" not in os.environ:  # which torchrun sets
        from sfsc.training.launch import launch

        launch(processes, [sys.executable, "-m", "sfsc.cli", *options.arguments])
        return
    from sfsc.training.run import train

    train(
        options.config,
        data_dir=options.data,
        output_dir=options.output,
        threads=options.threads,
        reference_dir=options.reference,
    )


def _assemble(options: Namespace) -> None:
    from sfsc.training.assemble import assemble

    assemble(
        options.config,
        options.networks,
        data_dir=options.data,
        output_dir=options.output,
        threads=options.threads,
    )


def _evaluate(options: Namespace) -> None:
    from sfsc.retrieval.evaluate import evaluate

    section = load_slice(Evaluate, options.config)
    evaluate(section, options.run_dir, options.data, options.output, threads=options.threads)


def _measure(options: Namespace) -> None:
    from sfsc.networks.footprint import measure

    measure(load_slice(MeasureJob, options.config), options.data, options.output)


def _cost(options: Namespace) -> None:
    from sfsc.reporting.tables.cost import write_cost

    write_cost(options.measured, options.output)


def _tables(options: Namespace) -> None:
    from sfsc.reporting.tables.write import write_tables

    job = load_slice(StudyJob, options.config)
    write_tables(job, options.results, options.output, options.metrics, options.choices)


def _figures(options: Namespace) -> None:
    from sfsc.reporting.drawing import write_figures

    write_figures(
        options.names,
        load_slice(StudyJob, options.config),
        options.results,
        dataset=options.dataset,
        output=options.output,
        data_dir=options.data,
    )


def _claims(options: Namespace) -> None:
    from sfsc.reporting.claims import write_claims

    write_claims(load_slice(StudyJob, options.config), options.results, options.output)


def _choices(options: Namespace) -> None:
    from sfsc.reporting.choices import write_choices

    write_choices(load_slice(StudyJob, options.config), options.results, options.output)


def _report(options: Namespace) -> None:
    from sfsc.reporting.report import write_report

    write_report(
        load_slice(StudyJob, options.config),
        options.results,
        tables=options.tables,
        claims=options.claims,
        cost=options.cost,
        figures=options.figures,
        sheets=options.sheets,
        choices=options.choices,
        output=options.output,
    )


def _track(options: Namespace) -> None:
    uri = options.uri or os.environ.get("MLFLOW_TRACKING_URI") or None
    if options.follow is not None:
        from sfsc.tracking.live import follow

        follow(options.study, uri, seconds=options.follow, stop=_until_a_signal().wait)
        return
    from sfsc.tracking.mirror import mirror

    report = options.report or options.study.parents[1] / "reports" / options.study.name
    stamp = options.stamp or options.study / "mlflow.json"
    mirror(options.study, report, stamp, uri, onnx=options.onnx)


def _demo(options: Namespace) -> None:
    from sfsc.deploy.extra import needs_deploy_extra

    with needs_deploy_extra():
        from sfsc.deploy.demo.exhibits import open_exhibits
        from sfsc.deploy.demo.server import serve
    with open_exhibits(options.folder, options.data) as exhibits:
        serve(exhibits, host=options.host, port=options.port)


def _until_a_signal() -> threading.Event:
    """Return what is set when the process is asked to end; asked again, it ends at once."""
    asked = threading.Event()

    def ask(number: int, _: object) -> None:
        asked.set()
        signal.signal(number, signal.SIG_DFL)  # a store that hangs may hold the process a minute

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, ask)
    return asked


def _explain(options: Namespace) -> None:
    from sfsc.reporting.explain import explain

    lines = explain(options.table, options.row, dataset=options.dataset, results=options.results)
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _export(options: Namespace) -> None:
    from sfsc.deploy.export import export

    export(options.training, options.output, int8=options.int8)


def _choose(options: Namespace) -> None:
    from sfsc.deploy import choose

    wishes = choose.parse_wishes(options.latency, options.size, options.map)
    sys.stdout.write(choose.as_text(choose.measure(options.training), wishes))


def _escalation(options: Namespace) -> None:
    from sfsc.deploy.escalation_curve import as_text, write_escalation

    sys.stdout.write(as_text(write_escalation(options.training, options.output)))


def _index(options: Namespace) -> None:
    from sfsc.deploy.index import find_photographs, index
    from sfsc.deploy.model import OnnxEmbedder

    index(
        OnnxEmbedder.load(options.model, threads=options.threads),
        find_photographs(options.photographs, sys.stdin),
        options.output,
        precision=options.precision,
        threads=options.threads,
    )


def _remove(options: Namespace) -> None:
    from sfsc.deploy.index import remove

    remove(options.gallery, options.photographs)


def _search(options: Namespace) -> None:
    from sfsc.deploy.search import Request, answer

    answer(
        Request(
            gallery=options.gallery,
            queries=options.queries,
            model=options.model,
            top=options.top,
            share=options.escalate,
            larger=options.larger,
            rate=options.threshold,
            page=options.html,
        ),
        sys.stdout,
        is_json=options.json,
    )


class _Stages:
    """The subcommands of a parser."""

    def __init__(self, parser: ArgumentParser) -> None:
        self._subparsers = parser.add_subparsers(metavar="<stage>", required=True)

    def add(self, run: Callable[[Namespace], None], summary: str, *paths: str) -> ArgumentParser:
        """Add the stage that `run` names, with the required option `--<path>` for each path."""
        stage: ArgumentParser = self._subparsers.add_parser(
            run.__name__.strip("_"), help=summary, description=summary
        )
        for name in paths:
            dest = "run_dir" if name == "run" else name
            stage.add_argument(f"--{name}", type=Path, required=True, metavar="PATH", dest=dest)
        if "config" in paths:
            stage.add_argument(
                "--planned", metavar="DIGEST", help="what --config must hold; set by the workflow"
            )
        stage.set_defaults(run=run)
        return stage


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="sfsc", description=__doc__.splitlines()[0])
    stages = _Stages(parser)
    _add_inputs(stages)
    _add_runs(stages)
    _add_reports(stages)
    _add_readers(stages)
    _add_deployment(stages)
    return parser


def _add_inputs(stages: _Stages) -> None:
    check = stages.add(_check, "Validate parameters.")
    check.add_argument("files", type=Path, nargs="+", help="params.yaml and overlays of it")
    new = stages.add(_new, "Make a study of photographs, one folder for each identity.")
    new.add_argument("photos", type=Path, help="folder of the identities' folders")
    new.add_argument("--name", help="of the study; default: that of the folder")
    fetch = stages.add(_fetch, "Download or copy one raw file, its digest verified.", "output")
    fetch.add_argument("file", help="<data set>/<archive>.zip or weights/<file>")
    mirror = os.environ.get("SFSC_MIRROR")
    fetch.add_argument(
        "--mirror",
        type=Path,
        default=Path(mirror) if mirror else None,
        help="folder that holds the file; default: the variable SFSC_MIRROR",
    )
    prepare = stages.add(_prepare, "Render or unpack a data set.", "config", "raw", "output")
    _add_threads(prepare)


def _add_threads(stage: ArgumentParser) -> None:
    stage.add_argument("--threads", type=int, default=1, help="threads of the computation")


def _add_runs(stages: _Stages) -> None:
    train = stages.add(
        _train, "Train one network; resumes where it was killed.", "config", "data", "output"
    )
    train.add_argument(
        "--reference", type=Path, metavar="PATH", help="training of the frozen full network"
    )
    assemble = stages.add(
        _assemble, "Join networks, one per width, to a run.", "config", "data", "output"
    )
    assemble.add_argument(
        "--networks", type=Path, nargs="+", required=True, metavar="PATH", help="ascending widths"
    )
    evaluate = stages.add(
        _evaluate, "Embed the test images and test every pair of sub-models.",
        "config", "run", "data", "output",
    )  # fmt: skip
    stages.add(_measure, "Size and speed of each sub-model.", "config", "data", "output")
    for stage in (train, assemble, evaluate):
        _add_threads(stage)


def _add_reports(stages: _Stages) -> None:
    study = ("config", "results", "output")
    measured = stages.add(_cost, "Table of what sub-models cost.", "output")
    measured.add_argument(
        "--measured", type=Path, nargs="+", required=True, metavar="PATH",
        help="files of `sfsc measure`",
    )  # fmt: skip
    tables = stages.add(_tables, "Tables of a study.", *study, "metrics")
    figures = stages.add(_figures, "Figures of one data set.", *study)
    figures.add_argument("--names", nargs="+", required=True, metavar="NAME", help="figures")
    figures.add_argument("--dataset", required=True, help="data set of the study")
    figures.add_argument("--data", type=Path, metavar="PATH", help="prepared set")
    stages.add(_claims, "Verdicts on the paper's claims.", *study)
    stages.add(_choices, "What the searches of a study choose on validation identities.", *study)
    report = stages.add(_report, "The HTML report of a study.", *study, "tables", "claims", "cost")
    for name in ("figures", "sheets"):
        report.add_argument(f"--{name}", type=Path, nargs="+", required=True, metavar="PATH")
    for stage in (tables, report):
        stage.add_argument(
            "--choices",
            type=Path,
            nargs="+",
            default=(),
            metavar="PATH",
            help="files of `sfsc choices`",
        )


def _add_readers(stages: _Stages) -> None:
    explain = stages.add(_explain, "Where the numbers of a table's row come from.")
    explain.add_argument("table", type=Path, help="a CSV file of reports/<study>/tables")
    explain.add_argument("--row", required=True, help="its column `run` or, without one, `method`")
    explain.add_argument("--dataset", help="needed where several data sets have such a row")
    explain.add_argument("--results", type=Path, metavar="PATH", help="default: results/<study>")
    track = stages.add(_track, "Mirror a study's runs into MLflow.", "study")
    track.add_argument("--report", type=Path, metavar="PATH", help="default: reports/<study>")
    track.add_argument("--stamp", type=Path, metavar="PATH", help="default: <study>/mlflow.json")
    track.add_argument(
        "--follow",
        type=float,
        nargs="?",
        const=5.0,
        metavar="SECONDS",
        help="show trainings while they run: look at them every so often, until interrupted",
    )
    track.add_argument(
        "--onnx", action="store_true", help="add ONNX files to the registered sub-models `best-...`"
    )
    track.add_argument("--uri", help="tracking URI; default: MLFLOW_TRACKING_URI, else a local one")

    demo = stages.add(_demo, "A local page: a small sub-model asks the full model's gallery.")
    demo.add_argument("folder", type=Path, help="a finished training, or an export of one")
    demo.add_argument("--data", type=Path, metavar="PATH", help="its prepared set; default: found")
    demo.add_argument("--host", default="127.0.0.1", help="default: this machine alone")
    demo.add_argument("--port", type=int, default=8000, help="default: 8000")


def _add_deployment(stages: _Stages) -> None:
    """Add the commands that take a training home (docs/deploy.md)."""
    export = stages.add(_export, "Write each sub-model as ONNX and safetensors.", "output")
    export.add_argument("--int8", action="store_true", help="8-bit files, too")
    choose = stages.add(_choose, "Which sub-model fits, from numbers of this machine.")
    choose.add_argument("--latency", metavar="TIME", help="longest latency of an image: 1ms")
    choose.add_argument("--size", metavar="BYTES", help="largest file: 100kB")
    choose.add_argument("--map", type=float, metavar="PERCENT", help="least mAP: 50")
    escalation = stages.add(_escalation, "Draw what escalating uncertain queries gains.", "output")
    for stage in (export, choose, escalation):
        stage.add_argument(
            "training", type=Path, help="results/<study>/<data set>/<method>/seed<k>"
        )
    _add_galleries(stages)


def _add_galleries(stages: _Stages) -> None:
    index = stages.add(_index, "Embed photographs into a gallery; goes on where it stopped.")
    index.add_argument("photographs", help="a folder, a file, or - for a list on standard input")
    index.add_argument("-o", "--output", type=Path, required=True, metavar="GALLERY")
    index.add_argument(
        "--precision", choices=("float16", "int8"), default="float16", help="of the vectors"
    )
    index.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    remove = stages.add(_remove, "Remove photographs from a gallery; their files stay.")
    remove.add_argument("gallery", type=Path)
    remove.add_argument("photographs", type=Path, nargs="+", help="files or folders")
    search = stages.add(_search, "Find the nearest photographs of a gallery.")
    search.add_argument("gallery", type=Path)
    search.add_argument("queries", type=Path, nargs="+", metavar="QUERY", help="photographs")
    search.add_argument("--top", type=int, default=10, help="hits of each query")
    search.add_argument("--html", type=Path, metavar="FILE", help="write the hits as a page, too")
    search.add_argument("--json", action="store_true", help="print JSON")
    search.add_argument(
        "--threshold", metavar="RATE", help="say same or not: fmr=0.01, a rate of space.json"
    )
    search.add_argument(
        "--escalate", type=float, metavar="SHARE", help="embed the most uncertain queries again"
    )
    search.add_argument(
        "--with", type=Path, metavar="MODEL", dest="larger", help="sub-model of --escalate"
    )
    for stage in (index, search):
        stage.add_argument(
            "--model", type=Path, required=True, metavar="FILE", help="ONNX file of `sfsc export`"
        )


if __name__ == "__main__":
    sys.exit(main())
