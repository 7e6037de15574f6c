# One rule per robustness study: each trains the runs that its row of `robustness` adds.


use rule train_sfsc as vary_base_loss with:
    wildcard_constraints:
        network=trained_by("vary_base_loss"),


use rule train_sfsc as vary_classifier_moved_by_all with:
    wildcard_constraints:
        network=trained_by("vary_classifier_moved_by_all"),


use rule train_sfsc as vary_architecture with:
    wildcard_constraints:
        network=trained_by("vary_architecture"),


use rule train_sfsc as vary_widths with:
    wildcard_constraints:
        network=trained_by("vary_widths"),


use rule train_sfsc as vary_embedding_dim with:
    wildcard_constraints:
        network=trained_by("vary_embedding_dim"),


use rule train_sfsc as vary_learning_rate with:
    wildcard_constraints:
        network=trained_by("vary_learning_rate"),


use rule train_sfsc as vary_start with:
    wildcard_constraints:
        network=trained_by("vary_start"),


use rule train_sfsc as vary_compatible_weight with:
    wildcard_constraints:
        network=trained_by("vary_compatible_weight"),


use rule train_sfsc as vary_kl_weight with:
    wildcard_constraints:
        network=trained_by("vary_kl_weight"),
