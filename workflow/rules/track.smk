# Mirrors every run of the study into MLflow. A store that does not answer is not a failure: the stamp records it, and
# the next run of the pipeline tries again.


rule track:
    input:
        config=fingerprint("results/{study}/config/track.json"),
        models=of_study("model.safetensors"),
        runs=of_study("run.json"),
        curves=of_study("training.parquet"),
        tests=of_study("cross_test.json"),
        figures=figures_of_study("png"),
        report="reports/{study}/index.html",
    output:
        "results/{study}/mlflow.json",
    log:
        "logs/{study}/track.log",
    benchmark:
        "logs/{study}/track.tsv"
    localrule: True
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
        gpu=0,
    params:
        study=subpath(output[0], parent=True),
        report=subpath(input.report, parent=True),
    message:
        "Mirror study {wildcards.study} into MLflow"
    shell:
        "sfsc track --study {params.study:q} --report {params.report:q} --stamp {output:q} > {log:q} 2>&1"
