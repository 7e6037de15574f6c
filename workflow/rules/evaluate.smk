# Each run is embedded once and tested from the embeddings, every query sub-model against every gallery sub-model.
# And what each sub-model costs.


rule embed:
    input:
        config="results/{study}/{dataset}/{run}/seed{seed}/config/embed.json",
        model="results/{study}/{dataset}/{run}/seed{seed}/model.safetensors",
        run="results/{study}/{dataset}/{run}/seed{seed}/run.json",
        summary="data/prepared/{study}/{dataset}/summary.json",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
    output:
        "results/{study}/{dataset}/{run}/seed{seed}/embeddings.safetensors",
    log:
        "logs/{study}/{dataset}/{run}/seed{seed}/embed.log",
    benchmark:
        "logs/{study}/{dataset}/{run}/seed{seed}/embed.tsv"
    threads: 1
    # Embeddings stay in memory until all are computed. They are at most half as large as the images.
    resources:
        mem_mb=lambda wildcards, input: 3000 + int(input.size_mb) // 2,
        runtime=60,
        gpu=min(GPUS, 1),
    params:
        run=subpath(input.model, parent=True),
        data=subpath(input.manifest, parent=True),
    shell:
        "sfsc embed --run {params.run} --data {params.data} --output {output}"
        " --threads {threads} > {log} 2>&1"


rule evaluate:
    input:
        config="results/{study}/{dataset}/{run}/seed{seed}/config/evaluate.json",
        embeddings="results/{study}/{dataset}/{run}/seed{seed}/embeddings.safetensors",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
    output:
        test="results/{study}/{dataset}/{run}/seed{seed}/cross_test.json",
        queries="results/{study}/{dataset}/{run}/seed{seed}/query_metrics.safetensors",
    log:
        "logs/{study}/{dataset}/{run}/seed{seed}/evaluate.log",
    benchmark:
        "logs/{study}/{dataset}/{run}/seed{seed}/evaluate.tsv"
    threads: 1
    resources:
        mem_mb=lambda wildcards, input: 2000 + 2 * int(input.size_mb),
        runtime=60,
        gpu=min(GPUS, 1),
    params:
        data=subpath(input.manifest, parent=True),
    shell:
        "sfsc evaluate --config {input.config} --embeddings {input.embeddings} --data {params.data}"
        " --output {output.test} --queries {output.queries} > {log} 2>&1"


# The cost of a sub-model depends on the architecture alone, so it needs no training.
rule measure:
    input:
        config="results/{study}/{dataset}/config/measure.json",
        summary="data/prepared/{study}/{dataset}/summary.json",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
    output:
        "results/{study}/{dataset}/cost.json",
    log:
        "logs/{study}/{dataset}/measure.log",
    benchmark:
        "logs/{study}/{dataset}/measure.tsv"
    # It computes with one thread. Asking for all cores of this machine keeps other jobs from disturbing the timing.
    threads: lambda wildcards: 1024 if workflow.local_exec else 1
    resources:
        mem_mb=3000,
        runtime=30,
        gpu=min(GPUS, 1),
    params:
        data=subpath(input.manifest, parent=True),
    shell:
        "sfsc measure --config {input.config} --data {params.data} --output {output} > {log} 2>&1"
