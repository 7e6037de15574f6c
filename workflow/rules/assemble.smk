# Runs with one network per width: their networks, some shared between runs, become the files of one run.


rule assemble_independent:
    input:
        config=fingerprint(
            "results/{study}/{dataset}/{run}/seed{seed}/config/assemble.json"
        ),
        models=network_files("model.safetensors"),
        runs=network_files("run.json"),
        curves=network_files("training.parquet"),
        summary="data/prepared/{study}/{dataset}/summary.json",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
    output:
        model="results/{study}/{dataset}/{run}/seed{seed}/model.safetensors",
        run="results/{study}/{dataset}/{run}/seed{seed}/run.json",
        curves="results/{study}/{dataset}/{run}/seed{seed}/training.parquet",
    log:
        "logs/{study}/{dataset}/{run}/seed{seed}/assemble.log",
    benchmark:
        "logs/{study}/{dataset}/{run}/seed{seed}/assemble.tsv"
    wildcard_constraints:
        run=assembled_by("assemble_independent"),
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
        gpu=min(GPUS, 1),
    params:
        config=planned,
        networks=lambda wildcards, input: folders(input.models),
        data=subpath(input.manifest, parent=True),
        folder=subpath(output.model, parent=True),
    message:
        "Assemble {wildcards.run}/seed{wildcards.seed} on {wildcards.dataset}"
    shell:
        "sfsc assemble {params.config} --networks {params.networks:q} --data {params.data:q}"
        " --output {params.folder:q} --threads {threads} > {log:q} 2>&1"


use rule assemble_independent as assemble_full_alone with:
    wildcard_constraints:
        run=assembled_by("assemble_full_alone"),


use rule assemble_independent as assemble_unified with:
    wildcard_constraints:
        run=assembled_by("assemble_unified"),


use rule assemble_independent as assemble_bct with:
    wildcard_constraints:
        run=assembled_by("assemble_bct"),


use rule assemble_independent as assemble_asymmetric with:
    wildcard_constraints:
        run=assembled_by("assemble_asymmetric"),


use rule assemble_independent as assemble_candidate with:
    wildcard_constraints:
        run=assembled_by("assemble_candidate"),
