"""The stage `sfsc assemble`: networks trained one per width become one run.

The run has the same three files as a switchable training, so that later stages treat both alike:
sub-model i is the network of width i.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from sfsc.compute import best_device, make_deterministic
from sfsc.data.prepared import PreparedSet
from sfsc.errors import ResultError
from sfsc.files import replacing
from sfsc.networks.build import load_network
from sfsc.networks.per_width import NetworkPerWidth
from sfsc.provenance import digest_of, git_revision, is_tree_clean
from sfsc.settings.jobs import TrainJob, load_slice
from sfsc.training.validation import validate


def assemble(
    config: Path, networks: Sequence[Path], *, data_dir: Path, output_dir: Path, threads: int
) -> None:
    """Write `model.safetensors`, `training.parquet` and `run.json` of a run made of networks.

    Args:
        config: Fingerprint file with the `TrainJob` of the whole run.
        networks: Folders of the finished trainings, in the order of the run's widths.
        data_dir: Prepared set.
        output_dir: Folder of the run.
        threads: Threads of torch's operators.

    Raises:
        ConfigError: If the settings are not valid.
        ResultError: If a training is missing or damaged, or they do not make the run.
        DataError: If the prepared set is damaged.
    """
    device = best_device()
    make_deterministic(threads, device)
    job = load_slice(TrainJob, config)
    trained = [Trained.read(folder) for folder in networks]
    data_digest = digest_of(data_dir / "manifest.csv")
    _check(trained, job, data_digest)
    validated = _validate(trained, PreparedSet.open(data_dir), device)
    _write_weights(trained, output_dir / "model.safetensors")
    _write_records(trained, output_dir / "training.parquet")
    digests = {
        "config_digest": digest_of(config),
        "code_digest": json.loads(config.read_text(encoding="utf-8"))["code"],
        "data_digest": data_digest,
    }
    content = {**_describe(job, trained), **digests, "threads": threads, **validated}
    with replacing(output_dir / "run.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Trained:
    """A finished training of one network."""

    folder: Path
    run: dict[str, Any]
    """Its `run.json`."""

    @classmethod
    def read(cls, folder: Path) -> "Trained":
        """Read the record of a training.

        Raises:
            ResultError: If it is missing or damaged.
        """
        path = folder / "run.json"
        try:
            return cls(folder, dict(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError) as error:
            raise ResultError(
                f"{path} must be the record of a finished training. Found: {error}. Train it again."
            ) from error


def _check(trained: Sequence[Trained], job: TrainJob, data_digest: str) -> None:
    """Refuse networks of other widths, another seed, other data or another kind than the run's."""
    architecture = job.network.architecture()
    kind = {key: value for key, value in architecture.items() if key != "widths"}
    expected = [([width], job.seed, data_digest, kind) for width in job.network.widths]
    found = [
        (
            *(t.run[key] for key in ("widths", "seed", "data_digest")),
            {key: t.run["network"][key] for key in kind},
        )
        for t in trained
    ]
    if found != expected:
        widths = ", ".join(f"{width:g}" for width in job.network.widths)
        raise ResultError(
            f"Run `{job.method}` must be made of networks of widths {widths}, all with backbone "
            f"{job.network.backbone.name}, {job.network.embedding_dim} dimensions, seed {job.seed} "
            "and trained on the given prepared set. Found "
            f"{', '.join(str(t.folder) for t in trained)}."
        )


def _validate(
    trained: Sequence[Trained], prepared: PreparedSet, device: torch.device
) -> dict[str, object]:
    """Return the record of the run's validation, which is made of the networks as they are now."""
    network = NetworkPerWidth([load_network(t.folder) for t in trained]).to(device)
    start = time.monotonic()
    validation = validate(network, prepared, device)
    return {
        "useful_seconds": round(time.monotonic() - start, 3),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "validation": [{"epoch": trained[-1].run["epochs"], **asdict(validation)}],
    }


def _write_weights(trained: Sequence[Trained], output: Path) -> None:
    """Write the tensors `network.networks.<i>...` and `classifiers.<i>`."""
    tensors = {
        _rename(name, index): tensor
        for index, training in enumerate(trained)
        for name, tensor in load_file(training.folder / "model.safetensors").items()
    }
    with replacing(output) as temporary:
        save_file(tensors, temporary)


def _rename(name: str, index: int) -> str:
    """Return what a network's tensor is called in the run.

    >>> _rename("network.backbone.stem.weight", 2), _rename("classifier", 2)
    ('network.networks.2.backbone.stem.weight', 'classifiers.2')
    """
    room, _, rest = name.partition(".")
    return f"network.networks.{index}.{rest}" if room == "network" else f"{room}s.{index}"


def _write_records(trained: Sequence[Trained], output: Path) -> None:
    """Write the records of all networks, each under its own switch."""
    frames = []
    for index, training in enumerate(trained):
        frame = pd.read_parquet(training.folder / "training.parquet")
        of_network = frame["switch"] >= 0
        frame.loc[of_network, "switch"] = index
        frames.append(frame if index == 0 else frame[of_network])
    joined = pd.concat(frames).sort_values("step", kind="stable")
    joined = joined.astype({"metric": "category", "layer": "category"})
    with replacing(output) as temporary:
        joined.to_parquet(temporary, index=False)


def _describe(job: TrainJob, trained: Sequence[Trained]) -> dict[str, object]:
    runs, last = [t.run for t in trained], trained[-1].run
    return {
        "dataset": job.dataset,
        "method": job.method,
        "seed": job.seed,
        "widths": list(job.network.widths),
        "network": last["network"] | {"kind": "each", "widths": list(job.network.widths)},
        "image_size": last["image_size"],
        "settings": job.model_dump(mode="json"),
        # <run>/seed<k>/width<w>
        "networks": ["/".join(t.folder.parts[-3:]) for t in trained],
        **{key: last[key] for key in ("epochs", "steps", "train_identities", "train_images")},
        **{key: [run[key][0] for run in runs] for key in ("macs", "parameters")},
        "wall_seconds": round(sum(run["wall_seconds"] for run in runs), 3),
        "git_revision": git_revision(),
        "git_clean": is_tree_clean() and all(run["git_clean"] for run in runs),
        "environment": last["environment"],  # of the full network's training
    }
