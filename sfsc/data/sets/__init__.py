"""The data sets, one file each; the file's name is the set's in `params.yaml` (see `sfsc.parts`).

A set's module has

* `build(settings, raw_dir, *, validation_fraction, threads) -> PreparedSet`,
* `expected_counts(settings, *, validation_fraction)`: the published size of each split,
* `RAW`: the files below `data/raw/<name>/` that it is made from; the rules only check that they
  are there, so a set that is fetched has a rule of its own,
* `Settings`: its row of `data` in `params.yaml`, a `Section`; `sfsc.config` has those of the
  sets that come with the project.
"""
