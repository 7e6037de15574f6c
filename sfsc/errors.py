"""The errors that SFSC raises on purpose.

    SfscError               what a user can mend; the command line prints it without a traceback
    ├── ConfigError         params.yaml or a study overlay
    ├── DataError           an archive, an image or a prepared set
    ├── DivergenceError     a training whose loss is not finite
    ├── ResultError         a result file that a later stage cannot use
    └── TrackingError       a tracking store that answers, and refuses

A message reads "What must hold. Found `name = value`.", with the mend behind it.
"""


class SfscError(Exception):
    """Base of all errors that a user can mend."""


class ConfigError(SfscError):
    """`params.yaml`, an overlay of it or a job's slice of it is not valid."""


class DataError(SfscError):
    """An archive, an image or a prepared set is missing, damaged or breaks its contract."""


class DivergenceError(SfscError):
    """A loss stopped being finite."""


class ResultError(SfscError):
    """A result file is missing, damaged or does not fit the others."""


class TrackingError(SfscError):
    """A tracking store refuses what it is told; waiting would not mend it."""
