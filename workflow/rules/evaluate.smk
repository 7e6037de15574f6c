# Once per training: embeddings of the test images, then every query sub-model against every gallery sub-model. Once per
# data set: what a sub-model costs.


rule evaluate:
    input:
        config=fingerprint(
            "results/{study}/{dataset}/{run}/seed{seed}/config/evaluate.json"
        ),
        model="results/{study}/{dataset}/{run}/seed{seed}/model.safetensors",
        run="results/{study}/{dataset}/{run}/seed{seed}/run.json",
        summary="data/prepared/{study}/{dataset}/summary.json",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
    output:
        embeddings="results/{study}/{dataset}/{run}/seed{seed}/embeddings.safetensors",
        test="results/{study}/{dataset}/{run}/seed{seed}/cross_test.json",
        queries="results/{study}/{dataset}/{run}/seed{seed}/query_metrics.safetensors",
    log:
        "logs/{study}/{dataset}/{run}/seed{seed}/evaluate.log",
    benchmark:
        "logs/{study}/{dataset}/{run}/seed{seed}/evaluate.tsv"
    threads: 1
    # Images are read batch by batch; the embeddings, about half as large at most, stay in memory.
    resources:
        mem_mb=lambda wildcards, input: 4000 + int(input.size_mb) // 2,
        runtime=60,
        gpu=min(GPUS, 1),
    params:
        config=planned,
        run=subpath(input.model, parent=True),
        data=subpath(input.manifest, parent=True),
        output=subpath(output.test, parent=True),
    message:
        "Test {wildcards.run}/seed{wildcards.seed} on {wildcards.dataset} (threads: {threads}, GPUs: {resources.gpu})"
    shell:
        "sfsc evaluate {params.config} --run {params.run:q} --data {params.data:q}"
        " --output {params.output:q} --threads {threads} > {log:q} 2>&1"


# The cost of a sub-model depends on the architecture alone, so it needs no training.
rule measure:
    input:
        config=fingerprint("results/{study}/{dataset}/config/measure.json"),
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
        config=planned,
        data=subpath(input.manifest, parent=True),
    message:
        "Measure what sub-models cost on {wildcards.dataset} (threads: {threads}, GPUs: {resources.gpu})"
    shell:
        "sfsc measure {params.config} --data {params.data:q} --output {output:q} > {log:q} 2>&1"
