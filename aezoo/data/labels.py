"""Labels: whether they are what a model is conditioned on, and a data set with but few."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from aezoo.data.sets import ImageSet
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
            form = "inferred({},mlp(64)), say" if hasattr(condition, "infer") else "label({})"
            raise DataError(
                f"{what} tells {classes} classes apart, and {_labels(dataset)}; "
                f"take {name}={form.format(len(dataset.classes))}"
            )


def hide_labels(images: ImageSet, per_class: int, seed: int) -> ImageSet:
    """The same rows with ``per_class`` labels left in each class, and -1 in place of the others.

    Which ones is a function of the labels and the seed: the first of each class in an order that
    the raw numbers of Philox 4x64 give.

    Raises:
        DataError: a class has fewer rows, or the labels are no classes.
    """
    dataset = images.dataset
    if per_class < 1:
        raise DataError(f"at least 1 label a class must be kept, not {per_class}")
    if dataset.factors or not dataset.classes:
        raise DataError(
            f"{per_class} labels a class are to be kept, and {_labels(dataset)}: no classes"
        )
    raw = np.random.Philox(key=seed).random_raw(len(images))
    order = np.argsort(raw, kind="stable")
    labels = np.full_like(images.labels, -1)
    for number, name in enumerate(dataset.classes):
        rows = order[images.labels[order] == number][:per_class]
        if len(rows) < per_class:
            raise DataError(
                f"{dataset.name} has {len(rows)} rows of {name} in {images.split}; {per_class} "
                "labels a class cannot be kept"
            )
        labels[rows] = number
    return dataclasses.replace(images, labels=labels)


def _labels(dataset: Dataset) -> str:
    if dataset.factors:
        return f"a label of {dataset.name} is the numbers {', '.join(dataset.factors)}"
    if dataset.classes:
        return f"{dataset.name} has {len(dataset.classes)} classes"
    return f"{dataset.name} has no labels"
