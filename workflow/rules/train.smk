# One training per row of `compare`, data set and seed. All rules run the same stage; a row's settings are in its
# fingerprint file. A killed training goes on from <run>/checkpoints, which no rule declares and Snakemake thus leaves.


rule train_sfsc:
    input:
        config="results/{study}/{dataset}/{run}/seed{seed}/config/train.json",
        summary="data/prepared/{study}/{dataset}/summary.json",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
    output:
        model="results/{study}/{dataset}/{run}/seed{seed}/model.safetensors",
        run="results/{study}/{dataset}/{run}/seed{seed}/run.json",
        curves="results/{study}/{dataset}/{run}/seed{seed}/training.parquet",
    log:
        "logs/{study}/{dataset}/{run}/seed{seed}/train.log",
    benchmark:
        "logs/{study}/{dataset}/{run}/seed{seed}/train.tsv"
    wildcard_constraints:
        run=rows_of("sfsc"),
    # The longest trainings start first, so that no core waits for them at the end.
    priority: 3
    # One thread keeps the weights equal bit for bit whatever --cores is; the runs are what is parallel.
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        data=subpath(input.manifest, parent=True),
        folder=subpath(output.model, parent=True),
    shell:
        "sfsc train --config {input.config} --data {params.data} --output {params.folder}"
        " --threads {threads} > {log} 2>&1"


use rule train_sfsc as train_bct_s with:
    wildcard_constraints:
        run=rows_of("bct_s"),
    priority: 2


use rule train_sfsc as train_full_alone with:
    wildcard_constraints:
        run=rows_of("full_alone"),
    priority: 1


use rule train_sfsc as train_unified with:
    wildcard_constraints:
        run=rows_of("unified"),
    priority: 0
