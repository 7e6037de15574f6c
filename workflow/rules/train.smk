# Each job trains one network: the switchable one of a run, <run>/seed<k>, or one per width, <run>/seed<k>/width<w>.
# All rules run the same stage; the fingerprint file holds the settings. A killed training resumes from
# <network>/checkpoints. No rule declares that folder, so Snakemake does not delete it.


rule train_sfsc:
    input:
        config=fingerprint("results/{study}/{dataset}/{network}/config/train.json"),
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
    # The longest trainings start first, so that no core is idle at the end.
    priority: 2
    # One thread per process: weights are equal bit for bit whatever --cores is. Runs are parallel instead.
    threads: PARAMS.train.processes
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPUS,
    params:
        config=planned,
        threads=lambda wildcards, threads: max(1, threads // PARAMS.train.processes),
        data=subpath(input.manifest, parent=True),
        folder=subpath(output.model, parent=True),
        reference=lambda wildcards, input: flag(
            "--reference", folders(input.reference)[:1]
        ),
    message:
        "Train {wildcards.network} on {wildcards.dataset} (threads: {threads}, GPUs: {resources.gpu})"
    shell:
        "sfsc train {params.config} --data {params.data:q}"
        " --output {params.folder:q} {params.reference} --threads {params.threads} > {log:q} 2>&1"


use rule train_sfsc as train_bct_s with:
    wildcard_constraints:
        network=trained_by("train_bct_s"),


use rule train_sfsc as train_asymmetric_s with:
    wildcard_constraints:
        network=trained_by("train_asymmetric_s"),


# These come first: their full networks are the references of the one-to-one methods.
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


# Candidates of a search.
use rule train_sfsc as train_candidate with:
    wildcard_constraints:
        network=trained_by("train_candidate"),
