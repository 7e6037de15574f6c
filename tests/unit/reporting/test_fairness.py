"""What captions say of budgets, differences and choices: read from the runs, not typed."""

import json
from pathlib import Path

from result_files import small_job, write_study

from sfsc.reporting.captions import describe_evidence
from sfsc.reporting.fairness import budget, changes, origin
from sfsc.reporting.runs import Group, Results

EQUAL = (
    "Equal for all methods: `epochs` 20, `optimizer` sgd, `learning_rate` 0.1, `schedule` cosine, "
    "`weight_decay` 0.0005, `warmup` 0.1, `gradient_clip` 10.0, `identities_per_batch` 16, "
    "`images_per_identity` 4, `backbone` small_resnet, `embedding_dim` 128, `base` softmax, "
    "`base.label_smoothing` 0.1, `submodels.classifier_gradient` full, and the augmentation."
)


def compared(root: Path, *methods: str) -> list[Group]:
    """Return the compared rows of a study."""
    job = small_job(*methods)
    return Results(job, write_study(root, job), "synthetic").compared()


def change(root: Path, method: str, section: str, **values: object) -> None:
    """Change settings in the records of a method."""
    for path in (root / "synthetic" / method).glob("*/run.json"):
        record = json.loads(path.read_text())
        record["settings"][section].update(values)
        path.write_text(json.dumps(record))


def test_equal_budgets_are_named(tmp_path: Path):
    """All of them, with their values."""
    assert budget(compared(tmp_path, "bct_s", "sfsc")) == EQUAL


def test_a_method_with_several_networks_says_so(tmp_path: Path):
    """Each of them has the whole budget."""
    assert budget(compared(tmp_path, "bct", "sfsc")) == (
        f"{EQUAL} A method with a network per width trains each of them that long."
    )


def test_different_budgets_are_named_with_their_methods(tmp_path: Path):
    """The most common value is that of the others."""
    job = small_job("bct_s", "bct_s_classifier_all", "sfsc")
    write_study(tmp_path, job)
    change(tmp_path, "sfsc", "train", epochs=40)
    change(tmp_path, "sfsc", "augmentation", flip=False)
    text = budget(Results(job, tmp_path, "synthetic").compared())
    assert "`epochs` 20" not in text.partition("Not equal")[0]
    assert "and the augmentation" not in text
    assert text.endswith(
        "Not equal: `epochs` (40 for `sfsc`, 20 for the others); `submodels.classifier_gradient` "
        "(all for `bct_s_classifier_all`, full for the others); `flip` (False for `sfsc`, True for "
        "the others)."
    )


def test_where_the_hyper_parameters_are_from(tmp_path: Path):
    """What was tried, what was chosen, and whether the row has it."""
    groups = compared(tmp_path, "bct_s", "sfsc")
    choice = {
        "method": "sfsc",
        "datasets": ["omniglot"],
        "chosen": "1",
        "chosen_values": {"loss.terms.compatible.weight": 1.0},
        "candidates": [
            {"condition": text, "values": {"loss.terms.compatible.weight": float(text)}}
            for text in ("0.3", "1")
        ],
    }
    assert origin(groups, [choice]) == (
        "Hyper-parameters were chosen by the average mAP on validation identities of omniglot, "
        "never on test identities: SFSC `compatible.weight` 1 (of 2 candidates). All others "
        "are those of params.yaml."
    )
    other = choice | {"chosen": "0.3", "chosen_values": {"loss.terms.compatible.weight": 0.3}}
    found = origin(groups, [other | {"datasets": ["synthetic"]}])
    assert "identities of synthetic, never" in found
    assert "`compatible.weight` 0.3 (of 2 candidates) but here `compatible.weight` 1" in found
    assert origin(groups, []) == (
        "Hyper-parameters: those of params.yaml; no search is recorded beside this table."
    )


def test_a_setting_that_the_row_does_not_have_is_no_choice(tmp_path: Path):
    """A search may vary the settings of a term that is not chosen."""
    choice = {
        "method": "asymmetric_s",
        "datasets": ["synthetic"],
        "chosen": "influence",
        "chosen_values": {"loss.terms.influence.weight": 1.0, "loss.terms.triplet.margin": 0.9},
        "candidates": [
            {"condition": "influence", "values": {"loss.terms.influence.weight": 1.0}},
            {"condition": "more", "values": {"loss.terms.influence.weight": 3.0}},
            {"condition": "triplet", "values": {"loss.terms.triplet.margin": 0.9}},
        ],
    }
    job = small_job("asymmetric_s", "sfsc")
    write_study(tmp_path, job)
    change(
        tmp_path, "asymmetric_s", "loss", terms={"influence": {"name": "influence", "weight": 1.0}}
    )
    text = origin(Results(job, tmp_path, "synthetic").compared(), [choice])
    assert "Asymmetric-S `influence.weight` 1 (of 3 candidates). All" in text


def test_a_setting_that_one_method_does_not_have_does_not_differ(tmp_path: Path):
    """Neither between the methods of a table nor from the unchanged row."""
    job = small_job("unified", "bct_s_classifier_all", "sfsc")
    write_study(tmp_path, job)
    change(tmp_path, "unified", "loss", submodels=None)
    unified, all_, sfsc = Results(job, tmp_path, "synthetic").compared()
    assert "`submodels.classifier_gradient` all" in budget([unified, all_])
    settings = sfsc.runs[0].settings
    assert changes(all_.runs[0].settings, settings) == (
        "`submodels.classifier_gradient` all (not full), `aggregation` sum (not projection), "
        "no `compatible`"
    )
    assert changes(unified.runs[0].settings, settings) == (
        "`widths` 0.125 (not 0.125 0.25 0.5 1), `aggregation` sum (not projection), no `compatible`"
    )


def test_a_setting_that_became_null_is_told(tmp_path: Path):
    """Such as the weights of a pretrained start; the other way round, too."""
    job = small_job("sfsc", "bct_s")
    write_study(tmp_path, job)
    change(tmp_path, "sfsc", "network", pretrained="a.pth")
    sfsc, bct_s = (row.runs[0].settings for row in Results(job, tmp_path, "synthetic").compared())
    assert "`pretrained` none (not a.pth)" in changes(bct_s, sfsc)
    assert "`pretrained` a.pth (not none)" in changes(sfsc, bct_s)


def test_uncertainties_by_one_function_name_it(tmp_path: Path):
    """A method without the compatible loss is recorded by that loss's default."""
    assert describe_evidence(compared(tmp_path, "bct_s", "sfsc")) == "Evidence: softplus."


def test_uncertainties_by_two_functions_are_told_apart(tmp_path: Path):
    """Their values cannot be compared."""
    job = small_job("bct_s", "sfsc")
    write_study(tmp_path, job)
    for path in (tmp_path / "synthetic" / "sfsc").glob("*/run.json"):
        record = json.loads(path.read_text())
        record["settings"]["loss"]["terms"]["compatible"]["evidence"] = "exp"
        path.write_text(json.dumps(record))
    assert describe_evidence(Results(job, tmp_path, "synthetic").compared()) == (
        "Evidence, not comparable between functions: softplus in BCT-S; exp in SFSC (ours)."
    )
