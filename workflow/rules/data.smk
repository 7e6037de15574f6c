# Raw files that are fetched, and prepared data sets, one rule each. All sets have the same files: manifest, packed
# images, summary, contact sheet.


rule fetch_omniglot:
    input:
        ready,
    output:
        "data/raw/omniglot/{archive}.zip",
    log:
        "logs/raw/omniglot/{archive}.log",
    wildcard_constraints:
        archive="images_background_small[12]",
    retries: 2
    localrule: True
    threads: 1
    resources:
        mem_mb=500,
        runtime=20,
        gpu=0,
    params:
        file=lambda wildcards, output: os.path.relpath(output[0], "data/raw"),
    message:
        "Fetch {output}"
    shell:
        "sfsc fetch {params.file:q} --output {output:q} > {log:q} 2>&1"


use rule fetch_omniglot as fetch_grocery with:
    output:
        "data/raw/grocery/{archive}.zip",
    log:
        "logs/raw/grocery/{archive}.log",
    wildcard_constraints:
        archive="GroceryStoreDataset-[0-9a-f]{7}",


use rule fetch_omniglot as fetch_fruits360 with:
    output:
        "data/raw/fruits360/{archive}.zip",
    log:
        "logs/raw/fruits360/{archive}.log",
    wildcard_constraints:
        archive="fruits-360-3-body-problem-[0-9a-f]{7}",


# torchvision's weights, and one that a package ships. Any other file in the folder is the user's own.
use rule fetch_omniglot as fetch_weights with:
    output:
        "data/raw/weights/{file}",
    log:
        "logs/raw/weights/{file}.log",
    wildcard_constraints:
        file=one_of(WEIGHTS),


rule prepare_synthetic:
    input:
        config=fingerprint("data/prepared/{study}/synthetic.json"),
    output:
        manifest="data/prepared/{study}/synthetic/manifest.csv",
        images="data/prepared/{study}/synthetic/images.npy",
        summary="data/prepared/{study}/synthetic/summary.json",
        sheet="data/prepared/{study}/synthetic/contact_sheet.png",
    log:
        "logs/{study}/synthetic/prepare.log",
    benchmark:
        "logs/{study}/synthetic/prepare.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=30,
        gpu=0,
    params:
        config=planned,
        folder=subpath(output.manifest, parent=True),
    message:
        "Prepare {params.folder}"
    shell:
        "sfsc prepare {params.config} --raw data/raw --output {params.folder:q}"
        " --threads {threads} > {log:q} 2>&1"


use rule prepare_synthetic as prepare_omniglot with:
    input:
        config=fingerprint("data/prepared/{study}/omniglot.json"),
        archives=expand(
            "data/raw/omniglot/images_background_small{part}.zip", part=[1, 2]
        ),
    output:
        manifest="data/prepared/{study}/omniglot/manifest.csv",
        images="data/prepared/{study}/omniglot/images.npy",
        summary="data/prepared/{study}/omniglot/summary.json",
        sheet="data/prepared/{study}/omniglot/contact_sheet.png",
    log:
        "logs/{study}/omniglot/prepare.log",
    benchmark:
        "logs/{study}/omniglot/prepare.tsv"


# Any other file of sfsc/data/sets. What it lists in RAW must exist or be made by a rule.
use rule prepare_synthetic as prepare_data_set with:
    input:
        config=fingerprint("data/prepared/{study}/{dataset}.json"),
        raw=raw_files,
    output:
        manifest="data/prepared/{study}/{dataset}/manifest.csv",
        images="data/prepared/{study}/{dataset}/images.npy",
        summary="data/prepared/{study}/{dataset}/summary.json",
        sheet="data/prepared/{study}/{dataset}/contact_sheet.png",
    log:
        "logs/{study}/{dataset}/prepare.log",
    benchmark:
        "logs/{study}/{dataset}/prepare.tsv"
    wildcard_constraints:
        dataset=one_of(set(PARAMS.datasets) - {"synthetic", "omniglot"}),
    resources:
        mem_mb=2000,
        runtime=240,
        gpu=0,
