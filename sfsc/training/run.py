"""The stage `sfsc train`: one training from its settings to its result files, resumable."""

import json
import logging
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from safetensors.torch import save_file

from sfsc.compute import describe_device, keep_freed_memory, make_deterministic, named_device
from sfsc.data.prepared import PreparedSet
from sfsc.errors import ConfigError
from sfsc.files import replacing
from sfsc.networks.cost import cost
from sfsc.networks.weight_files import digest_of_weights
from sfsc.provenance import digest_of, environment, git_revision, is_tree_clean
from sfsc.settings.jobs import TrainJob, load_slice
from sfsc.training.averaging import estimate_statistics
from sfsc.training.build import Training, build_training
from sfsc.training.checkpoint import Progress, as_saved, own, restore_checkpoint, save_checkpoint
from sfsc.training.loop import train_epoch
from sfsc.training.parallel import joined_processes
from sfsc.training.progress import ProgressReport
from sfsc.training.records import Stream, read_stream, write_parquet
from sfsc.training.validation import validate

LOGGER = logging.getLogger(__name__)


def train(
    config: Path,
    *,
    data_dir: Path,
    output_dir: Path,
    threads: int,
    reference_dir: Path | None = None,
) -> None:
    """Train one network, or go on where a killed training left its last checkpoint.

    Writes `model.safetensors`, `training.parquet` and `run.json` to `output_dir`. While it runs,
    `output_dir/checkpoints` holds checkpoints and the record stream; it is removed at the end. The
    weights are, bit for bit, a function of settings, data, threads and machine, however often the
    training was killed.

    Args:
        config: Fingerprint file with a `TrainJob`.
        data_dir: Prepared set.
        output_dir: Folder of the run.
        threads: Threads of torch's operators.
        reference_dir: Folder of the finished training that the job refers to, if it does.

    With `train.processes` > 1 each of them calls this.

    Raises:
        ConfigError: If the settings are not valid, name a reference and none is given, name a file
            that does not exist, or ask for a device or processes that are not there.
        ResultError: If the reference is damaged or does not fit, or another training is at work in
            `output_dir`.
        DataError: If the prepared set is damaged or too small for the sampler.
        DivergenceError: If a loss is not finite.
    """
    job = load_slice(TrainJob, config)
    if (job.reference is None) != (reference_dir is None):
        raise ConfigError(
            "`--reference` must be given for a method that has a reference, and for no other. "
            f"Found `reference = {job.reference}` in {config} and `--reference {reference_dir}`."
        )
    keep_freed_memory()
    device = named_device(job.train.device)
    make_deterministic(threads, device)
    prepared = PreparedSet.open(data_dir)
    digests = {
        "config_digest": digest_of(config),
        "code_digest": json.loads(config.read_text(encoding="utf-8"))["code"],
        "data_digest": digest_of(data_dir / "manifest.csv"),
    }
    if reference_dir:
        digests["reference_digest"] = digest_of(reference_dir / "model.safetensors")
    if job.network.pretrained:
        digests["pretrained_digest"] = digest_of_weights(Path(job.network.pretrained))
    folder, key = output_dir / "checkpoints", " ".join(digests.values())
    with ExitStack() as stack:
        with joined_processes(job.train.processes, device) as processes:
            if processes.rank == 0:
                stack.enter_context(own(folder))
            training = build_training(
                job, prepared, reference_dir, device=device, processes=processes
            )
            if processes.rank > 0:
                _follow(training, folder, key=key)
                return
            progress = _run_epochs(training, prepared, folder, key=key)
        training.result.cpu()
        took = {
            "threads": threads,
            "wall_seconds": round(progress.seconds, 3),
            "useful_seconds": round(progress.useful_seconds, 3),
        }
        _write_results(training, prepared, output_dir, digests | took)
        shutil.rmtree(folder)


def _write_results(
    training: Training, prepared: PreparedSet, folder: Path, facts: Mapping[str, object]
) -> None:
    """Write the model, its curves and its record."""
    stream = folder / "checkpoints" / "stream.jsonl"
    write_parquet(stream, folder / "training.parquet")
    with replacing(folder / "model.safetensors") as temporary:
        save_file(as_saved(training.result.state_dict()), temporary)
    with replacing(folder / "run.json") as temporary:
        content = {
            **_describe(training, prepared),
            **facts,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "validation": [record for record in read_stream(stream) if "map" in record],
        }
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _follow(training: Training, folder: Path, *, key: str) -> None:
    """Take part in the epochs that the first process runs, validates and saves."""
    first = _restore(training, folder, key=key).epoch
    for epoch in range(first, training.job.train.epochs):
        train_epoch(training, epoch)


def _restore(training: Training, folder: Path, *, key: str) -> Progress:
    progress = restore_checkpoint(folder, training.state, training.optimizer, key=key)
    if progress is None:
        return Progress(key=key)
    training.loss_scale.value = progress.loss_scale
    training.loss_scale.good_steps = progress.good_steps
    return progress


def _run_epochs(training: Training, prepared: PreparedSet, folder: Path, *, key: str) -> Progress:
    """Run the epochs that no checkpoint holds; return what all of them took."""
    settings = training.job.train
    progress, scale = _restore(training, folder, key=key), training.loss_scale
    if progress.epoch:
        LOGGER.info("Resuming after epoch %d of %d.", progress.epoch, settings.epochs)
    start, useful = time.monotonic() - progress.seconds, progress.useful_seconds
    first = progress.epoch
    with (
        closing(Stream(folder / "stream.jsonl", length=progress.stream_bytes)) as stream,
        closing(
            ProgressReport(total=training.total_steps, done=first * training.steps_per_epoch)
        ) as report,
    ):
        for epoch in range(first, settings.epochs):
            began, done = time.monotonic(), epoch + 1
            train_epoch(training, epoch, write=stream.write, report=report.step)
            if done % settings.validate_every == 0 or done == settings.epochs:
                estimate_statistics(training)
                validation = validate(training.result.network, prepared, training.device)
                stream.write({"epoch": done, **asdict(validation)})
                report.validated(done, validation.average_map)
            useful += time.monotonic() - began
            if done % settings.checkpoint_every == 0 or done == settings.epochs:
                length, seconds = stream.flush(), time.monotonic() - start
                progress = Progress(
                    key, done, length, seconds, useful, scale.value, scale.good_steps
                )
                save_checkpoint(folder, training.state, training.optimizer, progress)
    return progress


def _describe(training: Training, prepared: PreparedSet) -> Mapping[str, object]:
    job, network = training.job, training.result.network
    image_shape = (prepared.images.shape[3], *prepared.images.shape[1:3])
    costs = [cost(network, switch, image_shape) for switch in range(len(network.widths))]
    return {
        "dataset": job.dataset,
        "method": job.method,
        "seed": job.seed,
        "widths": list(job.network.widths),
        "network": {
            "kind": "switchable",
            **job.network.architecture(),
            "image_channels": image_shape[0],
        },
        "image_size": list(image_shape[1:]),
        "settings": job.model_dump(mode="json"),
        "epochs": job.train.epochs,
        "steps": training.total_steps,
        "train_identities": training.model.classifier.shape[0],
        "train_images": len(training.rows),
        "macs": [c.macs for c in costs],
        "parameters": [c.parameters for c in costs],
        "git_revision": git_revision(),
        "git_clean": is_tree_clean(),
        "environment": environment() | describe_device(training.device),
    }
