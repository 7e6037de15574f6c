# One network per job: the switchable one of a run, <run>/seed<k>, or one of those that it has for each width,
# <run>/seed<k>/width<w>. All rules run the same stage; what a network is trained with is in its fingerprint file.
# A killed training goes on from <network>/checkpoints, which no rule declares and Snakemake thus leaves.


rule train_sfsc:
    input:
        config="results/{study}/{dataset}/{network}/config/train.json",
        summary="data/prepared/{study}/{dataset}/summary.json",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
        reference=reference_files,
        pretrained=pretrained_file,
    output:
        model="results/{study}/{dataset}/{network}/model.safetensors",
        run="results/{study}/{dataset}/{network}/run.json",
        curves="results/{study}/{dataset}/{network}/training.parquet",
    log:
        "logs/{study}/{dataset}/{network}/train.log",
    benchmark:
        "logs/{study}/{dataset}/{network}/train.tsv"
    wildcard_constraints:
        network=trained_by("train_sfsc"),
    # The longest trainings start first, so that no core waits for them at the end.
    priority: 2
    # One thread a process keeps the weights equal bit for bit whatever --cores is; the runs are what is parallel.
    threads: PARAMS.train.processes
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPUS,
    params:
        threads=lambda wildcards, threads: max(1, threads // PARAMS.train.processes),
        data=subpath(input.manifest, parent=True),
        folder=subpath(output.model, parent=True),
        reference=lambda wildcards, input: flag(
            "--reference", folders(input.reference)[:1]
        ),
    shell:
        "sfsc train --config {input.config} --data {params.data}"
        " --output {params.folder} {params.reference} --threads {params.threads} > {log} 2>&1"


use rule train_sfsc as train_bct_s with:
    wildcard_constraints:
        network=trained_by("train_bct_s"),


use rule train_sfsc as train_asymmetric_s with:
    wildcard_constraints:
        network=trained_by("train_asymmetric_s"),


# First of all: the full networks are the references of the one-to-one methods.
use rule train_sfsc as train_independent with:
    wildcard_constraints:
        network=trained_by("train_independent"),
    priority: 3


use rule train_sfsc as train_bct with:
    wildcard_constraints:
        network=trained_by("train_bct"),
    priority: 1


use rule train_sfsc as train_asymmetric with:
    wildcard_constraints:
        network=trained_by("train_asymmetric"),
    priority: 1


# The candidates of a search.
use rule train_sfsc as train_candidate with:
    wildcard_constraints:
        network=trained_by("train_candidate"),
