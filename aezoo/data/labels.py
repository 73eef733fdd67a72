"""Whether a data set's labels are what a model is conditioned on."""

from __future__ import annotations

from typing import Any

from aezoo.errors import DataError
from aezoo.records import Dataset


def check_labels(model: Any, dataset: Dataset) -> None:
    """Raises DataError unless the model can be conditioned on the labels of this data set.

    A condition that the model derives from x itself fits every data set.
    """
    for name in ("cond", "prior_cond"):
        condition = getattr(model, name)
        if condition is None:
            continue
        what = f"{name}={getattr(model.bound.config, name)}"
        wants = getattr(condition, "label_shape", ())
        if wants is None:
            continue
        if wants and len(dataset.factors) != wants[0]:
            raise DataError(
                f"{what} reads {wants[0]} numbers a sample, and {_labels(dataset)}; take a data "
                "set with as many factors, such as sprites-pose, or another condition"
            )
        if not wants and dataset.factors:
            raise DataError(
                f"{what} reads class labels, and {_labels(dataset)}; take "
                f"{name}=continuous({len(dataset.factors)})"
            )
        classes = getattr(condition, "classes", None)
        if classes is not None and len(dataset.classes) > classes:
            raise DataError(
                f"{what} tells {classes} classes apart, and {_labels(dataset)}; "
                f"take {name}=label({len(dataset.classes)})"
            )


def _labels(dataset: Dataset) -> str:
    if dataset.factors:
        return f"a label of {dataset.name} is the numbers {', '.join(dataset.factors)}"
    if dataset.classes:
        return f"{dataset.name} has {len(dataset.classes)} classes"
    return f"{dataset.name} has no labels"
