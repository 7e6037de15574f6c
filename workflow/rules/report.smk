# Tables, figures and the page that shows them. Each figure is one rule; all are of one data set.


rule tables:
    input:
        config="results/{study}/config/tables.json",
        runs=of_study("run.json"),
        tests=of_study("cross_test.json"),
    output:
        csv="reports/{study}/tables/main.csv",
        markdown="reports/{study}/tables/main.md",
        latex="reports/{study}/tables/main.tex",
        metrics="reports/{study}/metrics.json",
    log:
        "logs/{study}/tables.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        runs=lambda wildcards, input: folders(input.runs),
    shell:
        "sfsc tables --runs {params.runs} --output {output.csv} --metrics {output.metrics}"
        " > {log} 2>&1"


rule figure_cross_test:
    input:
        config="results/{study}/config/figures.json",
        runs=of_data_set("run.json"),
        tests=of_data_set("cross_test.json"),
        summary="data/prepared/{study}/{dataset}/summary.json",
    output:
        svg="reports/{study}/figures/{dataset}_cross_test.svg",
        png="reports/{study}/figures/{dataset}_cross_test.png",
        caption="reports/{study}/figures/{dataset}_cross_test.json",
    log:
        "logs/{study}/{dataset}/figure_cross_test.log",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        name="cross_test",
        runs=lambda wildcards, input: folders(input.runs),
        data=subpath(input.summary, parent=True),
    shell:
        "sfsc figure --name {params.name} --runs {params.runs} --data {params.data}"
        " --output {output.svg} > {log} 2>&1"


use rule figure_cross_test as figure_accuracy_cost with:
    output:
        svg="reports/{study}/figures/{dataset}_accuracy_cost.svg",
        png="reports/{study}/figures/{dataset}_accuracy_cost.png",
        caption="reports/{study}/figures/{dataset}_accuracy_cost.json",
    log:
        "logs/{study}/{dataset}/figure_accuracy_cost.log",
    params:
        name="accuracy_cost",


use rule figure_cross_test as figure_gradient_norm with:
    input:
        config="results/{study}/config/figures.json",
        runs=of_data_set("run.json"),
        tests=of_data_set("cross_test.json"),
        curves=of_data_set("training.parquet"),
        summary="data/prepared/{study}/{dataset}/summary.json",
    output:
        svg="reports/{study}/figures/{dataset}_gradient_norm.svg",
        png="reports/{study}/figures/{dataset}_gradient_norm.png",
        caption="reports/{study}/figures/{dataset}_gradient_norm.json",
    log:
        "logs/{study}/{dataset}/figure_gradient_norm.log",
    params:
        name="gradient_norm",


use rule figure_gradient_norm as figure_conflicts with:
    output:
        svg="reports/{study}/figures/{dataset}_conflicts.svg",
        png="reports/{study}/figures/{dataset}_conflicts.png",
        caption="reports/{study}/figures/{dataset}_conflicts.json",
    log:
        "logs/{study}/{dataset}/figure_conflicts.log",
    params:
        name="conflicts",


use rule figure_gradient_norm as figure_uncertainty with:
    output:
        svg="reports/{study}/figures/{dataset}_uncertainty.svg",
        png="reports/{study}/figures/{dataset}_uncertainty.png",
        caption="reports/{study}/figures/{dataset}_uncertainty.json",
    log:
        "logs/{study}/{dataset}/figure_uncertainty.log",
    params:
        name="uncertainty",


use rule figure_cross_test as figure_retrieval with:
    input:
        config="results/{study}/config/figures.json",
        runs=of_data_set("run.json"),
        tests=of_data_set("cross_test.json"),
        embeddings=of_data_set("embeddings.safetensors"),
        summary="data/prepared/{study}/{dataset}/summary.json",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
    output:
        svg="reports/{study}/figures/{dataset}_retrieval.svg",
        png="reports/{study}/figures/{dataset}_retrieval.png",
        caption="reports/{study}/figures/{dataset}_retrieval.json",
    log:
        "logs/{study}/{dataset}/figure_retrieval.log",
    params:
        name="retrieval",


rule report:
    input:
        config="results/{study}/config/report.json",
        runs=of_study("run.json"),
        tests=of_study("cross_test.json"),
        table="reports/{study}/tables/main.csv",
        figures=figures_of_study("svg"),
        captions=figures_of_study("json"),
        sheets=sheets_of_study(),
    output:
        "reports/{study}/index.html",
    log:
        "logs/{study}/report.log",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        runs=lambda wildcards, input: folders(input.runs),
    shell:
        "sfsc report --study {wildcards.study} --runs {params.runs} --table {input.table}"
        " --figures {input.figures} --sheets {input.sheets} --output {output} > {log} 2>&1"
