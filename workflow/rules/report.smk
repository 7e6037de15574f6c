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
        gpu=0,
    params:
        results=subpath(input.config, ancestor=2),
        folder=lambda wildcards, output: os.path.dirname(output[0]),
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
        gpu=0,
    params:
        results=subpath(input.config, ancestor=2),
    shell:
        "sfsc claims --config {input.config} --results {params.results} --output {output.json}"
        " > {log} 2>&1"


# Not one of the tables: those are the same bit for bit whenever a study is made again, and times are not.
rule cost:
    input:
        config="results/{study}/config/cost.json",
        measured=measured_of_study(),
    output:
        csv="reports/{study}/cost.csv",
        tex="reports/{study}/cost.tex",
        markdown=report(
            "reports/{study}/cost.md",
            caption="../report/cost.rst",
            category="Cost",
            labels={"what": "cost of each sub-model"},
        ),
    log:
        "logs/{study}/cost.log",
    benchmark:
        "logs/{study}/cost.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    shell:
        "sfsc cost --measured {input.measured} --output {output.csv} > {log} 2>&1"


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
        gpu=0,
    params:
        results=subpath(input.config, ancestor=2),
    shell:
        "sfsc choices --config {input.config} --results {params.results} --output {output.json}"
        " > {log} 2>&1"


rule figure_cross_test:
    input:
        config="results/{study}/config/figure_{figure}.json",
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
            "reports/{study}/figures/{dataset}_{figure}.svg",
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "{figure}"},
        ),
        png="reports/{study}/figures/{dataset}_{figure}.png",
        caption="reports/{study}/figures/{dataset}_{figure}.json",
    log:
        "logs/{study}/{dataset}/figure_{figure}.log",
    benchmark:
        "logs/{study}/{dataset}/figure_{figure}.tsv"
    wildcard_constraints:
        figure="cross_test",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
        gpu=0,
    params:
        results=subpath(input.config, ancestor=2),
        data=subpath(input.summary, parent=True),
    shell:
        "sfsc figure --name {wildcards.figure} --config {input.config} --results {params.results}"
        " --dataset {wildcards.dataset} --data {params.data} --output {output.svg} > {log} 2>&1"


use rule figure_cross_test as figure_accuracy_cost with:
    wildcard_constraints:
        figure="accuracy_cost",


use rule figure_cross_test as figure_gradient_norm with:
    wildcard_constraints:
        figure="gradient_norm",


use rule figure_cross_test as figure_conflicts with:
    wildcard_constraints:
        figure="conflicts",


use rule figure_cross_test as figure_uncertainty with:
    wildcard_constraints:
        figure="uncertainty",


use rule figure_cross_test as figure_priority with:
    wildcard_constraints:
        figure="priority",


use rule figure_cross_test as figure_twins with:
    wildcard_constraints:
        figure="twins",


use rule figure_cross_test as figure_ablation with:
    wildcard_constraints:
        figure="ablation",


use rule figure_cross_test as figure_robustness with:
    wildcard_constraints:
        figure="robustness",


use rule figure_cross_test as figure_retrieval with:
    wildcard_constraints:
        figure="retrieval",


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
        cost="reports/{study}/cost.csv",
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
        gpu=0,
    params:
        results=subpath(input.config, ancestor=2),
        tables=subpath(input.main, parent=True),
        choices=lambda wildcards, input: flag("--choices", input.choices),
    shell:
        "sfsc report --config {input.config} --results {params.results} --tables {params.tables}"
        " --claims {input.claims} --cost {input.cost} --figures {input.figures}"
        " --sheets {input.sheets} {params.choices} --output {output} > {log} 2>&1"
