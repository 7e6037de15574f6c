# Rows of `methods`, ablations and robustness studies without a rule of their own, such as the user's.


use rule train_sfsc as train_method with:
    wildcard_constraints:
        network=trained_by("train_method"),


use rule train_sfsc as train_variation with:
    wildcard_constraints:
        network=trained_by("train_variation"),


use rule assemble_independent as assemble_method with:
    wildcard_constraints:
        run=assembled_by("assemble_method"),


use rule assemble_independent as assemble_variation with:
    wildcard_constraints:
        run=assembled_by("assemble_variation"),
