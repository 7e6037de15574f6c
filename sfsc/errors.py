"""The errors that SFSC raises on purpose.

    SfscError               a mistake that the user can fix; the CLI prints it without a traceback
    ├── ConfigError         in params.yaml or a study overlay
    ├── DataError           in an archive, an image or a prepared set
    ├── DivergenceError     a loss that is not finite
    ├── ResultError         a result file that a later stage cannot use
    └── TrackingError       a tracking store that answers and refuses

A message reads "What must hold. Found `name = value`." and ends with the fix if there is one.
"""


class SfscError(Exception):
    """Base class of all errors that a user can fix."""


class ConfigError(SfscError):
    """`params.yaml`, an overlay of it or a job's slice of it is not valid."""


class DataError(SfscError):
    """An archive, an image or a prepared set is missing, damaged or not as specified."""


class DivergenceError(SfscError):
    """A loss is no longer finite."""


class ResultError(SfscError):
    """A result file is missing, damaged or does not fit the others."""


class TrackingError(SfscError):
    """A tracking store refuses a request, so that waiting would not help."""
