# Tables, figures, verdicts and the page that shows them. Each figure is one rule; all are of one data set.


rule tables:
    input:
        config="results/{study}/config/tables.json",
        runs=of_study("run.json"),
        tests=of_study("cross_test.json"),
        queries=of_study("query_metrics.safetensors"),
        choices=CHOICES,
    output:
        tables_of_study(["csv", "md", "tex"]),
        metrics="reports/{study}/metrics.json",
    log:
        "logs/{study}/tables.log",
    benchmark:
        "logs/{study}/tables.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        results=subpath(input.config, ancestor=2),
        folder=lambda wildcards: f"reports/{wildcards.study}/tables",
        choices=lambda wildcards, input: flag("--choices", input.choices),
    shell:
        "sfsc tables --config {input.config} --results {params.results} --output {params.folder}"
        " --metrics {output.metrics} {params.choices} > {log} 2>&1"


rule claims:
    input:
        config="results/{study}/config/claims.json",
        runs=of_study("run.json"),
        tests=of_study("cross_test.json"),
        queries=of_study("query_metrics.safetensors"),
        curves=of_study("training.parquet"),
    output:
        json="reports/{study}/claims.json",
        markdown=report(
            "reports/{study}/claims.md",
            caption="../report/claims.rst",
            category="Verdicts",
            labels={"what": "claims"},
        ),
    log:
        "logs/{study}/claims.log",
    benchmark:
        "logs/{study}/claims.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        results=subpath(input.config, ancestor=2),
    shell:
        "sfsc claims --config {input.config} --results {params.results} --output {output.json}"
        " > {log} 2>&1"


# Only of a study that searches: it reads what the validation identities say, and no test.
rule choices:
    input:
        config="results/{study}/config/choices.json",
        runs=of_study("run.json"),
    output:
        json="reports/{study}/choices.json",
        csv="reports/{study}/choices.csv",
        markdown="reports/{study}/choices.md",
    log:
        "logs/{study}/choices.log",
    benchmark:
        "logs/{study}/choices.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        results=subpath(input.config, ancestor=2),
    shell:
        "sfsc choices --config {input.config} --results {params.results} --output {output.json}"
        " > {log} 2>&1"


rule figure_cross_test:
    input:
        config="results/{study}/config/figures.json",
        runs=of_data_set("run.json"),
        tests=of_data_set("cross_test.json"),
        queries=of_data_set("query_metrics.safetensors"),
        curves=of_data_set("training.parquet"),
        embeddings=of_data_set("embeddings.safetensors"),
        summary="data/prepared/{study}/{dataset}/summary.json",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_cross_test.svg",
            caption="../report/cross_test.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "cross_test"},
        ),
        png="reports/{study}/figures/{dataset}_cross_test.png",
        caption="reports/{study}/figures/{dataset}_cross_test.json",
    log:
        "logs/{study}/{dataset}/figure_cross_test.log",
    benchmark:
        "logs/{study}/{dataset}/figure_cross_test.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        name="cross_test",
        results=subpath(input.config, ancestor=2),
        data=subpath(input.summary, parent=True),
    shell:
        "sfsc figure --name {params.name} --config {input.config} --results {params.results}"
        " --dataset {wildcards.dataset} --data {params.data} --output {output.svg} > {log} 2>&1"


use rule figure_cross_test as figure_accuracy_cost with:
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_accuracy_cost.svg",
            caption="../report/accuracy_cost.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "accuracy_cost"},
        ),
        png="reports/{study}/figures/{dataset}_accuracy_cost.png",
        caption="reports/{study}/figures/{dataset}_accuracy_cost.json",
    log:
        "logs/{study}/{dataset}/figure_accuracy_cost.log",
    benchmark:
        "logs/{study}/{dataset}/figure_accuracy_cost.tsv"
    params:
        name="accuracy_cost",


use rule figure_cross_test as figure_gradient_norm with:
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_gradient_norm.svg",
            caption="../report/gradient_norm.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "gradient_norm"},
        ),
        png="reports/{study}/figures/{dataset}_gradient_norm.png",
        caption="reports/{study}/figures/{dataset}_gradient_norm.json",
    log:
        "logs/{study}/{dataset}/figure_gradient_norm.log",
    benchmark:
        "logs/{study}/{dataset}/figure_gradient_norm.tsv"
    params:
        name="gradient_norm",


use rule figure_cross_test as figure_conflicts with:
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_conflicts.svg",
            caption="../report/conflicts.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "conflicts"},
        ),
        png="reports/{study}/figures/{dataset}_conflicts.png",
        caption="reports/{study}/figures/{dataset}_conflicts.json",
    log:
        "logs/{study}/{dataset}/figure_conflicts.log",
    benchmark:
        "logs/{study}/{dataset}/figure_conflicts.tsv"
    params:
        name="conflicts",


use rule figure_cross_test as figure_uncertainty with:
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_uncertainty.svg",
            caption="../report/uncertainty.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "uncertainty"},
        ),
        png="reports/{study}/figures/{dataset}_uncertainty.png",
        caption="reports/{study}/figures/{dataset}_uncertainty.json",
    log:
        "logs/{study}/{dataset}/figure_uncertainty.log",
    benchmark:
        "logs/{study}/{dataset}/figure_uncertainty.tsv"
    params:
        name="uncertainty",


use rule figure_cross_test as figure_priority with:
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_priority.svg",
            caption="../report/priority.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "priority"},
        ),
        png="reports/{study}/figures/{dataset}_priority.png",
        caption="reports/{study}/figures/{dataset}_priority.json",
    log:
        "logs/{study}/{dataset}/figure_priority.log",
    benchmark:
        "logs/{study}/{dataset}/figure_priority.tsv"
    params:
        name="priority",


use rule figure_cross_test as figure_twins with:
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_twins.svg",
            caption="../report/twins.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "twins"},
        ),
        png="reports/{study}/figures/{dataset}_twins.png",
        caption="reports/{study}/figures/{dataset}_twins.json",
    log:
        "logs/{study}/{dataset}/figure_twins.log",
    benchmark:
        "logs/{study}/{dataset}/figure_twins.tsv"
    params:
        name="twins",


use rule figure_cross_test as figure_ablation with:
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_ablation.svg",
            caption="../report/ablation.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "ablation"},
        ),
        png="reports/{study}/figures/{dataset}_ablation.png",
        caption="reports/{study}/figures/{dataset}_ablation.json",
    log:
        "logs/{study}/{dataset}/figure_ablation.log",
    benchmark:
        "logs/{study}/{dataset}/figure_ablation.tsv"
    params:
        name="ablation",


use rule figure_cross_test as figure_robustness with:
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_robustness.svg",
            caption="../report/robustness.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "robustness"},
        ),
        png="reports/{study}/figures/{dataset}_robustness.png",
        caption="reports/{study}/figures/{dataset}_robustness.json",
    log:
        "logs/{study}/{dataset}/figure_robustness.log",
    benchmark:
        "logs/{study}/{dataset}/figure_robustness.tsv"
    params:
        name="robustness",


use rule figure_cross_test as figure_retrieval with:
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_retrieval.svg",
            caption="../report/retrieval.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "retrieval"},
        ),
        png="reports/{study}/figures/{dataset}_retrieval.png",
        caption="reports/{study}/figures/{dataset}_retrieval.json",
    log:
        "logs/{study}/{dataset}/figure_retrieval.log",
    benchmark:
        "logs/{study}/{dataset}/figure_retrieval.tsv"
    params:
        name="retrieval",


rule report:
    input:
        config="results/{study}/config/report.json",
        runs=of_study("run.json"),
        tests=of_study("cross_test.json"),
        queries=of_study("query_metrics.safetensors"),
        main="reports/{study}/tables/main.csv",
        ablation="reports/{study}/tables/ablation.csv",
        robustness="reports/{study}/tables/robustness.csv",
        claims="reports/{study}/claims.json",
        figures=figures_of_study("svg"),
        captions=figures_of_study("json"),
        sheets=sheets_of_study(),
        choices=CHOICES,
    output:
        report(
            "reports/{study}/index.html",
            caption="../report/page.rst",
            category="Verdicts",
            labels={"what": "the whole report"},
        ),
    log:
        "logs/{study}/report.log",
    benchmark:
        "logs/{study}/report.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        results=subpath(input.config, ancestor=2),
        tables=subpath(input.main, parent=True),
        choices=lambda wildcards, input: flag("--choices", input.choices),
    shell:
        "sfsc report --config {input.config} --results {params.results} --tables {params.tables}"
        " --claims {input.claims} --figures {input.figures} --sheets {input.sheets}"
        " {params.choices} --output {output} > {log} 2>&1"
