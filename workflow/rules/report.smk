# Tables, figures, verdicts and the page that shows them.


rule tables:
    input:
        config=fingerprint("results/{study}/config/tables.json"),
        runs=of_study("run.json"),
        tests=of_study("cross_test.json"),
        queries=of_study("query_metrics.safetensors"),
        curves=of_study("training.parquet"),
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
        config=planned,
        results=results_folder,
        folder=lambda wildcards, output: os.path.dirname(output[0]),
        choices=lambda wildcards, input: flag("--choices", input.choices),
    message:
        "Write the tables of study {wildcards.study}"
    shell:
        "sfsc tables {params.config} --results {params.results:q} --output {params.folder:q}"
        " --metrics {output.metrics:q} {params.choices} > {log:q} 2>&1"


rule claims:
    input:
        config=fingerprint("results/{study}/config/claims.json"),
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
        config=planned,
        results=results_folder,
    message:
        "Judge the claims of study {wildcards.study}"
    shell:
        "sfsc claims {params.config} --results {params.results:q} --output {output.json:q}"
        " > {log:q} 2>&1"


# Apart from `tables`, which are the same bit for bit whenever a study is made again: times are not.
rule cost:
    input:
        config=fingerprint("results/{study}/config/cost.json"),
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
    message:
        "Write the table of costs of study {wildcards.study}"
    shell:
        "sfsc cost --measured {input.measured:q} --output {output.csv:q} > {log:q} 2>&1"


# Only in a study that searches: it reads the results on the validation identities and no test.
rule choices:
    input:
        config=fingerprint("results/{study}/config/choices.json"),
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
        config=planned,
        results=results_folder,
    message:
        "Choose among the candidates of study {wildcards.study}"
    shell:
        "sfsc choices {params.config} --results {params.results:q} --output {output.json:q}"
        " > {log:q} 2>&1"


# All figures of a data set: one process reads the results once.
rule figures:
    input:
        config=fingerprint("results/{study}/config/figures.json"),
        runs=of_data_set("run.json"),
        tests=of_data_set("cross_test.json"),
        queries=of_data_set("query_metrics.safetensors"),
        curves=of_data_set("training.parquet"),
        embeddings=of_data_set("embeddings.safetensors"),
        summary="data/prepared/{study}/{dataset}/summary.json",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
    output:
        [
            report(
                f"reports/{{study}}/figures/{{dataset}}_{figure}.svg",
                caption="../report/figure.rst",
                category="Figures",
                subcategory="{dataset}",
                labels={"figure": figure},
            )
            for figure in FIGURES
        ],
        expand(
            "reports/{study}/figures/{dataset}_{figure}.{suffix}",
            figure=FIGURES,
            suffix=["png", "json"],
            allow_missing=True,
        ),
    log:
        "logs/{study}/{dataset}/figures.log",
    benchmark:
        "logs/{study}/{dataset}/figures.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
        gpu=0,
    params:
        config=planned,
        names=FIGURES,
        results=results_folder,
        data=subpath(input.summary, parent=True),
        folder=lambda wildcards, output: os.path.dirname(output[0]),
    message:
        "Draw the figures of {wildcards.dataset}"
    shell:
        "sfsc figures --names {params.names:q} {params.config} --results {params.results:q}"
        " --dataset {wildcards.dataset:q} --data {params.data:q} --output {params.folder:q} > {log:q} 2>&1"


# What embedding uncertain queries again by the full model gains, for one training of SFSC.
rule escalation:
    input:
        config=fingerprint("results/{study}/{dataset}/config/escalation.json"),
        model=f"results/{{study}}/{{dataset}}/{ESCALATED}/model.safetensors",
        run=f"results/{{study}}/{{dataset}}/{ESCALATED}/run.json",
        test=f"results/{{study}}/{{dataset}}/{ESCALATED}/cross_test.json",
        queries=f"results/{{study}}/{{dataset}}/{ESCALATED}/query_metrics.safetensors",
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
        summary="data/prepared/{study}/{dataset}/summary.json",
    output:
        svg=report(
            "reports/{study}/figures/{dataset}_escalation.svg",
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{dataset}",
            labels={"figure": "escalation"},
        ),
        others=expand(
            "reports/{study}/figures/{dataset}_escalation.{suffix}",
            suffix=["png", "json", "curves.json"],
            allow_missing=True,
        ),
    log:
        "logs/{study}/{dataset}/escalation.log",
    benchmark:
        "logs/{study}/{dataset}/escalation.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        gpu=0,
    params:
        run=subpath(input.model, parent=True),
    message:
        "Draw what escalation gains on {wildcards.dataset}"
    shell:
        "sfsc escalation {params.run:q} --output {output.svg:q} > {log:q} 2>&1"


rule report:
    input:
        config=fingerprint("results/{study}/config/report.json"),
        runs=of_study("run.json"),
        tests=of_study("cross_test.json"),
        queries=of_study("query_metrics.safetensors"),
        deployment="reports/{study}/tables/deployment.csv",
        main="reports/{study}/tables/main.csv",
        ablation="reports/{study}/tables/ablation.csv",
        robustness="reports/{study}/tables/robustness.csv",
        conflicts="reports/{study}/tables/conflicts.csv",
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
        config=planned,
        results=results_folder,
        tables=subpath(input.main, parent=True),
        choices=lambda wildcards, input: flag("--choices", input.choices),
    message:
        "Write the report of study {wildcards.study}"
    shell:
        "sfsc report {params.config} --results {params.results:q} --tables {params.tables:q}"
        " --claims {input.claims:q} --cost {input.cost:q} --figures {input.figures:q}"
        " --sheets {input.sheets:q} {params.choices} --output {output:q} > {log:q} 2>&1"
