"""The core's data sets: records only, no torch, no numpy.

Every Hub revision here is pinned to a commit that converted the repository to parquet and that
several independent public projects name (for one each: mteb for ``ylecun/mnist`` and
``uoft-cs/cifar10``, ray's examples for ``zalando-datasets/fashion_mnist``). A record of a plugin
may leave ``revision`` empty, which means ``main`` at the time.

Licences. MNIST: its authors state none on the original page; Keras's documentation gives CC BY-SA
3.0 with LeCun and Cortes as holders, the Hub's card says MIT, and the stricter one stands here.
Fashion-MNIST: MIT (its repository). CIFAR-10: none stated. Digits: UCI's archive, CC BY 4.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from aezoo.hookspecs import hookimpl
from aezoo.records import Dataset

DIGITS = tuple("0123456789")

MNIST = Dataset(
    "mnist",
    summary="handwritten digits, 28x28 grey",
    shape=(1, 28, 28),
    splits=(("train", 60_000), ("test", 10_000)),
    validation=5_000,
    classes=DIGITS,
    license="cc-by-sa-3.0",
    repo="ylecun/mnist",
    revision="77f3279092a1c1579b2250db8eafed0ad422088c",
    config="mnist",
    citation="LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document "
    "recognition, Proceedings of the IEEE 86(11), 1998",
)

MNIST_BINARY = replace(
    MNIST,
    name="mnist-binary",
    summary="MNIST with each pixel a Bernoulli variable: drawn anew in training, fixed elsewhere",
    binary=True,
)

FASHION_MNIST = Dataset(
    "fashion-mnist",
    summary="articles of clothing, 28x28 grey",
    shape=(1, 28, 28),
    splits=(("train", 60_000), ("test", 10_000)),
    validation=5_000,
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    license="mit",
    repo="zalando-datasets/fashion_mnist",
    revision="531be5e2ccc9dba0c201ad3ae567a4f3d16ecdd2",
    config="fashion_mnist",
    citation="Xiao, Rasul, Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking "
    "machine learning algorithms, 2017, arXiv:1708.07747",
)

CIFAR10 = Dataset(
    "cifar10",
    summary="photographs of ten kinds of things, 32x32 colour",
    shape=(3, 32, 32),
    splits=(("train", 50_000), ("test", 10_000)),
    validation=5_000,
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    license="unknown",
    target="aezoo.data.cifar:load",
    repo="uoft-cs/cifar10",
    revision="0b2714987fa478483af9968de7c934580d0bb9a2",
    config="plain_text",
    image="img",
    citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009",
)

DIGITS_8X8 = Dataset(
    "digits",
    summary="scikit-learn's handwritten digits, 8x8 in 17 levels of grey; needs no download",
    shape=(1, 8, 8),
    splits=(("train", 1_437), ("test", 360)),
    validation=237,
    classes=DIGITS,
    license="cc-by-4.0",
    target="aezoo.data.digits:load",
    citation="Alpaydin, Kaynak, Optical recognition of handwritten digits, UCI Machine Learning "
    "Repository, 1998",
)

SPRITES = Dataset(
    "sprites",
    summary="binary shapes from five known factors, 64x64; drawn when asked for, no download",
    shape=(1, 64, 64),
    splits=(("train", 663_552), ("test", 73_728)),
    validation=10_000,
    classes=("square", "ellipse", "heart"),
    license="apache-2.0",
    target="aezoo.data.sprites:load",
    citation="after the factors of dSprites: Matthey, Higgins, Hassabis, Lerchner, dSprites: "
    "disentanglement testing sprites dataset, 2017",
)

SPRITES_POSE = replace(
    SPRITES,
    name="sprites-pose",
    summary="sprites whose label is their pose: scale, turn and place, each in [0, 1]",
    classes=(),
    target="aezoo.data.sprites:load_pose",
    factors=("scale", "orientation", "x", "y"),
)


@hookimpl
def aezoo_datasets() -> Iterator[Dataset]:
    """The data sets of the core."""
    yield from (DIGITS_8X8, MNIST, MNIST_BINARY, FASHION_MNIST, CIFAR10, SPRITES, SPRITES_POSE)
