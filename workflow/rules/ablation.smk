# One rule per ablation: each trains the runs that its row of `ablation` adds to the comparison.


use rule train_sfsc as ablate_parts with:
    wildcard_constraints:
        network=trained_by("ablate_parts"),


use rule train_sfsc as ablate_formulation with:
    wildcard_constraints:
        network=trained_by("ablate_formulation"),


use rule train_sfsc as ablate_granularity with:
    wildcard_constraints:
        network=trained_by("ablate_granularity"),


use rule train_sfsc as ablate_reduction with:
    wildcard_constraints:
        network=trained_by("ablate_reduction"),


use rule train_sfsc as ablate_evidence with:
    wildcard_constraints:
        network=trained_by("ablate_evidence"),


use rule train_sfsc as ablate_extensions with:
    wildcard_constraints:
        network=trained_by("ablate_extensions"),


use rule train_sfsc as ablate_classifier_gradient with:
    wildcard_constraints:
        network=trained_by("ablate_classifier_gradient"),


use rule train_sfsc as ablate_aggregator with:
    wildcard_constraints:
        network=trained_by("ablate_aggregator"),
