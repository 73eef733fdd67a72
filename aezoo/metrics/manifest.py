"""The built-in metrics, registered through the hook that every plugin uses. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from aezoo.hookspecs import hookimpl
from aezoo.records import FeatureRecord, MetricRecord


@hookimpl
def aezoo_metrics() -> Iterator[MetricRecord]:
    yield from _RECORDS


@hookimpl
def aezoo_features() -> Iterator[FeatureRecord]:
    yield from _NETWORKS


_RECORDS: tuple[MetricRecord, ...] = (
    MetricRecord(
        "likelihood",
        target="aezoo.metrics.likelihood:Likelihood",
        summary="the bound, its rate and distortion, bits/dim; likelihood(k=5000) a tighter bound",
        default=True,
        paper="Burda et al., Importance Weighted Autoencoders, 2015, arXiv:1509.00519",
    ),
    MetricRecord(
        "reconstruction",
        target="aezoo.metrics.reconstruction:Reconstruction",
        summary="MSE and PSNR of reconstructions",
        default=True,
    ),
    MetricRecord(
        "ssim",
        target="aezoo.metrics.reconstruction:SSIM",
        summary="structural similarity of reconstructions",
        default=True,
        paper="Wang et al., Image Quality Assessment: From Error Visibility to Structural "
        "Similarity, 2004",
    ),
    MetricRecord(
        "ms_ssim",
        target="aezoo.metrics.reconstruction:MultiScaleSSIM",
        summary="structural similarity at five scales, for images of 176 pixels and more",
        paper="Wang et al., Multi-Scale Structural Similarity for Image Quality Assessment, 2003",
    ),
    MetricRecord(
        "lpips",
        target="aezoo.metrics.reconstruction:LPIPS",
        summary="distance of reconstructions in a network's features",
        extra="torchmetrics torchvision",
        paper="Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual "
        "Metric, 2018, arXiv:1801.03924",
    ),
    MetricRecord(
        "posterior",
        target="aezoo.metrics.latents:Posterior",
        summary="active units, KL per dimension, mutual information, posterior collapse",
        default=True,
    ),
    MetricRecord(
        "codes",
        target="aezoo.metrics.latents:Codes",
        summary="codes in use, dead codes, perplexity, over the whole split",
        default=True,
    ),
    MetricRecord(
        "probes",
        target="aezoo.metrics.probes:Probes",
        summary="linear probe, nearest neighbours, silhouette and clustering of latents",
        extra="aezoo[bench]",
    ),
    MetricRecord(
        "labels",
        target="aezoo.metrics.labels:Labels",
        summary="accuracy of the labels that a semi-supervised model infers",
        paper="Kingma et al., Semi-supervised Learning with Deep Generative Models, 2014, "
        "arXiv:1406.5298",
    ),
    MetricRecord(
        "disentanglement",
        target="aezoo.metrics.disentanglement:Disentanglement",
        summary="beta-VAE, FactorVAE, MIG, DCI and SAP scores, on sprites",
        extra="aezoo[bench]",
    ),
    MetricRecord(
        "fid",
        target="aezoo.metrics.fid:FID",
        summary="Fréchet distance of samples to the training images, in a network's features",
        extra="aezoo[bench]",
        paper="Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local "
        "Nash Equilibrium, 2017, arXiv:1706.08500",
    ),
    MetricRecord(
        "rfid",
        target="aezoo.metrics.fid:ReconstructionFID",
        summary="Fréchet distance of reconstructions to their originals",
        extra="aezoo[bench]",
    ),
    MetricRecord(
        "kid",
        target="aezoo.metrics.fid:KID",
        summary="kernel distance of samples to the training images; kid(limit=10000) for fewer",
        extra="aezoo[bench]",
        paper="Bińkowski et al., Demystifying MMD GANs, 2018, arXiv:1801.01401",
    ),
    MetricRecord(
        "prc",
        target="aezoo.metrics.fid:PRC",
        summary="precision, recall, density and coverage of samples; prc(limit=10000) for fewer",
        extra="aezoo[bench]",
        paper="Kynkäänniemi et al., Improved Precision and Recall Metric for Assessing "
        "Generative Models, 2019, arXiv:1904.06991",
    ),
    MetricRecord(
        "speed",
        target="aezoo.bench.speed:Speed",
        summary="images per second, latency, memory, parameters, operations",
    ),
)

_NETWORKS: tuple[FeatureRecord, ...] = (
    FeatureRecord(
        "inception_tf1",
        target="aezoo.metrics.features:inception_tf1",
        summary="Inception-2015 with TensorFlow 1's resize: the network of FID",
        paper="Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015, "
        "arXiv:1512.00567",
    ),
    FeatureRecord(
        "inception_tf1_bf16",
        target="aezoo.metrics.features:inception_tf1_bf16",
        summary="the same in bfloat16: twice as fast, and other figures",
    ),
    FeatureRecord(
        "dinov2",
        target="aezoo.metrics.features:dinov2",
        summary="DINOv2 ViT-L/14 of timm, whose distance is fd-dinov2",
        paper="Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, 2023, "
        "arXiv:2304.07193",
    ),
)
