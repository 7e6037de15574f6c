# The mirror: every training of the study becomes one MLflow run. A store that does not answer is no failure.


rule track:
    input:
        config="results/{study}/config/track.json",
        models=of_trainings(
            "results/{study}/{dataset}/{run}/seed{seed}/model.safetensors"
        ),
        runs=of_trainings("results/{study}/{dataset}/{run}/seed{seed}/run.json"),
        curves=of_trainings(
            "results/{study}/{dataset}/{run}/seed{seed}/training.parquet"
        ),
        tests=of_trainings(
            "results/{study}/{dataset}/{run}/seed{seed}/cross_test.json"
        ),
        report="reports/{study}/index.html",
    output:
        "results/{study}/mlflow.json",
    log:
        "logs/{study}/track.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        study=subpath(output[0], parent=True),
        report=subpath(input.report, parent=True),
    shell:
        "sfsc track --study {params.study} --report {params.report} --stamp {output} > {log} 2>&1"
