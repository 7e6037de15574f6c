"""The data sets, one file each, named as in `params.yaml` (see `sfsc.parts`).

A file has

* `Settings`: its row of `data` in `params.yaml`, a `Section`;
* `build(settings, raw_dir, *, validation_fraction, packed, threads)`: returns a `PreparedSet`; a
  set too large for memory writes its images to the file `packed` (see `sfsc.data.image_files`);
* `expected_counts(settings, *, validation_fraction)`: the sizes of the splits that are known before
  the set is built;
* `RAW`: the files below `data/raw/<name>/` that the set is made from. The workflow only checks that
  they exist; a set that is downloaded has a rule of its own. A set of many files lists none, and
  `build` tells which are missing.
"""
