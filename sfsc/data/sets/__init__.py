"""The data sets, one file each; the file's name is the set's in `params.yaml` (see `sfsc.parts`).

A set's module has

* `build(settings, raw_dir, *, validation_fraction, packed, threads) -> PreparedSet`; a set too
  large for memory writes its images to the file `packed` (see `sfsc.data.image_files`),
* `expected_counts(settings, *, validation_fraction)`: the published size of each split, as far as
  it is known before the set is built,
* `RAW`: the files below `data/raw/<name>/` that it is made from; the rules only check that they
  are there, so a set that is fetched has a rule of its own. A set of many files names none and
  says itself what is missing,
* `Settings`: its row of `data` in `params.yaml`, a `Section`; `sfsc.config` has those of the
  sets that `params.yaml` has a row for.
"""
