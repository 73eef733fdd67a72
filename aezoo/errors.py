"""What can go wrong, one class a kind of trouble; every message says what to do next.

`aezoo.spec.SpecError`, which carries a caret, lives with the grammar.
"""


class AezooError(Exception):
    """The base of every error that aezoo raises on purpose."""


class UnknownModelError(AezooError, LookupError):
    """No model of that name is in the zoo."""


class UnknownDatasetError(AezooError, LookupError):
    """No data set of that name is registered."""


class UnknownMetricError(AezooError, LookupError):
    """No metric of that name is registered."""


class MetricError(AezooError):
    """A metric cannot be measured as asked, or the records of a measurement do not fit."""


class DataError(AezooError):
    """A data set is not where it should be, or its files do not hold what they should."""


class PluginLoadError(AezooError):
    """A plugin is installed but could not be loaded; the original error is the cause."""


class PluginMissingError(AezooError):
    """A model needs a plugin that is not installed."""


class ShapeError(AezooError, ValueError):
    """Two parts of a model, or a model and its input, do not fit each other."""


class CapabilityError(AezooError):
    """The model cannot do this; ``model.capabilities`` says so beforehand."""


class WeightsError(AezooError):
    """Weights could not be had, or are not what they should be."""


class WeightsNotCachedError(WeightsError):
    """The weights are neither on this machine nor to be had from the Hub now."""


class ChecksumError(WeightsError):
    """A file's size or SHA-256 is not the recorded one."""


class IncompatibleWeightsError(WeightsError):
    """A file is intact but does not belong to this model, format or version."""


class UnsafeWeightsError(WeightsError):
    """Weights are offered as a pickle, which runs code when opened; never loaded."""


class UnknownRevisionError(WeightsError, LookupError):
    """The repository has no such branch, tag or commit."""


class TrainingError(AezooError):
    """A training run cannot go on; its last checkpoint is kept."""


class ScaffoldError(AezooError):
    """A new plugin cannot be written as asked for; nothing was written."""
