"""A repository of diffusers as a spec of aezoo, and its tensors under the names they have there."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import diffusers
import torch
from torch import Tensor

from aezoo.errors import IncompatibleWeightsError
from aezoo.spec import Spec
from aezoo_diffusers.oobleck import RENAMED

#: Height and width where config.json tells none; every size is taken.
SIZE = 256

#: Keys that AutoencoderTiny writes beside its arguments.
_EXTRA = {"AutoencoderTiny": ("block_out_channels",)}

#: Attention as diffusers wrote it before 0.15, and since.
_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD = re.compile(r"(\.attentions\.\d+\.)(query|key|value|proj_attn)\.")


def read(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """The spec that config.json describes, and the tensors by the names of that model.

    Raises:
        IncompatibleWeightsError: an argument that diffusers' class does not have, or one that
            has no counterpart here.
    """
    kind = config["_class_name"]
    spec, renamed, extra = READERS[kind](_Arguments(kind, config))
    return str(spec), {_name(name, renamed): tensor for name, tensor in tensors.items()} | extra


class _Arguments(dict[str, Any]):
    """config.json with the defaults of diffusers' class; lists are tuples."""

    def __init__(self, kind: str, config: Mapping[str, Any]):
        signature = inspect.signature(getattr(diffusers, kind).__init__).parameters
        known = {*signature, *_EXTRA.get(kind, ())}
        unknown = sorted(key for key in config if key not in known and not key.startswith("_"))
        if unknown:
            raise IncompatibleWeightsError(
                f"config.json has {unknown[0]!r}, which {kind} of the installed diffusers "
                f"{diffusers.__version__} does not; a newer aezoo-diffusers may read it"
            )
        defaults = {name: p.default for name, p in signature.items() if name != "self"}
        given = {key: value for key, value in config.items() if not key.startswith("_")}
        super().__init__({key: _tupled(value) for key, value in (defaults | given).items()})

    def each(self, key: str, levels: int) -> tuple[Any, ...]:
        """One value a level, where config.json may give one for all."""
        value = self[key]
        return value if isinstance(value, tuple) else (value,) * levels

    def only(self, **expected: Any) -> None:
        """An error for an argument with a value that these components do not build."""
        for key, value in expected.items():
            if self[key] != value:
                raise IncompatibleWeightsError(
                    f"config.json has {key}={self[key]!r}; aezoo-diffusers reads {value!r}"
                )


_Read = tuple[Spec, dict[str, str], dict[str, Tensor]]
_PLAIN = {"encoder.": "encoder.network.", "decoder.": "decoder.network."}
_QUANT = {"quant_conv.": "bottleneck.quant_conv.", "post_quant_conv.": "decoder.post_quant_conv."}


def _kl(a: _Arguments) -> _Read:
    scale, extra = _scale(a, ("bottleneck", "decoder", "prior"))
    networks = _pick(a, "block_out_channels", "layers_per_block", "norm_num_groups", "act_fn")
    networks |= _pick(a, "mid_block_add_attention")
    spec = _call(
        "vae",
        _call(
            "diffusers/kl",
            **networks,
            **_pick(a, "latent_channels"),
            down_block_types=_unless(a["down_block_types"], "DownEncoderBlock2D"),
        ),
        _call("diffusers/moments", **_pick(a, "use_quant_conv"), **scale),
        _call(
            "diffusers/kl",
            **networks,
            **_pick(a, "use_post_quant_conv"),
            up_block_types=_unless(a["up_block_types"], "UpDecoderBlock2D"),
            **scale,
        ),
        likelihood=_call("diffusers/distance"),
        prior=_call("diffusers/normal", **scale),
        input=_image(a),
    )
    return spec, _PLAIN | _QUANT, extra


def _vq(a: _Arguments) -> _Read:
    codes, dim = a["num_vq_embeddings"], a["vq_embed_dim"] or a["latent_channels"]
    networks = _pick(a, "block_out_channels", "layers_per_block", "norm_num_groups", "act_fn")
    networks |= _pick(a, "mid_block_add_attention", "latent_channels")
    spec = _call(
        "vqvae",
        _call(
            "diffusers/kl",
            **networks,
            double_z=False,
            down_block_types=_unless(a["down_block_types"], "DownEncoderBlock2D"),
        ),
        # The core's own quantizer: its projection is quant_conv.
        _call("vq", codes=codes, dim=dim, update="gradient", revive=0.0),
        _call(
            "diffusers/kl",
            **networks,
            **_pick(a, "norm_type"),
            up_block_types=_unless(a["up_block_types"], "UpDecoderBlock2D"),
        ),
        likelihood=_call("diffusers/distance"),
        input=_image(a),
    )
    renamed = {
        "quantize.embedding.weight": "bottleneck.codebook",
        "quant_conv.": "bottleneck.project.",
        "post_quant_conv.": "decoder.post_quant_conv.",
    }
    extra = {"bottleneck.counts": torch.ones(codes), "bottleneck.started": torch.tensor(True)}
    return spec, _PLAIN | renamed, extra


def _tiny(a: _Arguments) -> _Read:
    a.only(upsampling_scaling_factor=2)
    scale, extra = _scale(a, ("bottleneck", "decoder"))
    spec = _call(
        "ae",
        _call(
            "diffusers/tiny",
            **_pick(a, "latent_channels", "act_fn"),
            block_out_channels=a["encoder_block_out_channels"],
            num_blocks=a["num_encoder_blocks"],
        ),
        _call("diffusers/latents", **scale),
        _call(
            "diffusers/tiny",
            **_pick(a, "act_fn", "upsample_fn"),
            block_out_channels=a["decoder_block_out_channels"],
            num_blocks=a["num_decoder_blocks"],
            **scale,
        ),
        likelihood=_call("diffusers/distance"),
        input=_image(a),
    )
    return spec, _PLAIN, extra


def _dc(a: _Arguments) -> _Read:
    scale, extra = _scale(a, ("bottleneck", "decoder"))
    both = _pick(a, "attention_head_dim")
    levels = {side: len(a[f"{side}_block_out_channels"]) for side in ("encoder", "decoder")}

    def part(side: str) -> dict[str, Any]:
        names = ("block_out_channels", "layers_per_block", "qkv_multiscales")
        types = _unless(a.each(f"{side}_block_types", levels[side]), "ResBlock")
        return {name: a[f"{side}_{name}"] for name in names} | {"block_types": types}

    spec = _call(
        "ae",
        _call(
            "diffusers/dc",
            **_pick(a, "latent_channels", "downsample_block_type"),
            **both,
            **part("encoder"),
            out_shortcut=a["encoder_out_shortcut"],
        ),
        _call("diffusers/latents", **scale),
        _call(
            "diffusers/dc",
            **_pick(a, "upsample_block_type"),
            **both,
            **part("decoder"),
            norm_types=_unless(a.each("decoder_norm_types", levels["decoder"]), "rms_norm"),
            act_fns=_unless(a.each("decoder_act_fns", levels["decoder"]), "silu"),
            in_shortcut=a["decoder_in_shortcut"],
            conv_act_fn=a["decoder_conv_act_fn"],
            **scale,
        ),
        likelihood=_call("diffusers/distance"),
        input=_image(a),
    )
    return spec, _PLAIN, extra


def _cosmos(a: _Arguments) -> _Read:
    scale, extra = _scale(a, ("bottleneck", "decoder"))
    both = _pick(a, "num_layers", "attention_resolutions", "resolution", "patch_size", "patch_type")
    both |= _pick(a, "spatial_compression_ratio", "temporal_compression_ratio")
    spec = _call(
        "ae",
        _call(
            "diffusers/cosmos",
            **_pick(a, "latent_channels"),
            **both,
            block_out_channels=a["encoder_block_out_channels"],
        ),
        _call("diffusers/latents", use_quant_conv=True, **scale),
        _call(
            "diffusers/cosmos", **both, block_out_channels=a["decode_block_out_channels"], **scale
        ),
        likelihood=_call("diffusers/distance"),
        input=(a["in_channels"], 1 + 2 * a["temporal_compression_ratio"], SIZE, SIZE),
    )
    return spec, _PLAIN | _QUANT, extra


def _oobleck(a: _Arguments) -> _Read:
    both = _pick(a, "downsampling_ratios", "channel_multiples")
    stride = math.prod(a["downsampling_ratios"])
    if a["encoder_hidden_size"] != 2 * a["decoder_input_channels"]:
        raise IncompatibleWeightsError(
            f"config.json: the encoder gives {a['encoder_hidden_size']} channels, which are no "
            f"mean and deviation of the decoder's {a['decoder_input_channels']}"
        )
    second = -(-a["sampling_rate"] // stride) * stride
    spec = _call(
        "vae",
        _call("diffusers/oobleck", **_pick(a, "encoder_hidden_size", "sampling_rate"), **both),
        _call("diffusers/moments", use_quant_conv=False, deviation="softplus"),
        _call("diffusers/oobleck", **_pick(a, "decoder_channels"), **both),
        likelihood=_call("diffusers/distance", audio=True),
        prior=_call("diffusers/normal"),
        input=(a["audio_channels"], second),
    )
    normed = {f".{there}": f".{here}" for there, here in RENAMED.items()}
    return spec, _PLAIN | normed, {}


READERS: dict[str, Callable[[_Arguments], _Read]] = {
    "AutoencoderKL": _kl,
    "AutoencoderTiny": _tiny,
    "VQModel": _vq,
    "AutoencoderDC": _dc,
    "AutoencoderKLCosmos": _cosmos,
    "AutoencoderOobleck": _oobleck,
}


def _scale(a: _Arguments, parts: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """How raw latents become those of the diffusion model: arguments, and tensors if it takes any.

    Each part has tensors of its own, for no two of a model may share memory.
    """
    factor, shift = float(a.get("scaling_factor") or 1.0), float(a.get("shift_factor") or 0.0)
    mean, deviation = a.get("latents_mean"), a.get("latents_std")
    if mean is None or deviation is None:
        return {"scaling_factor": factor, "shift_factor": shift}, {}
    channels = a["latent_channels"]
    if len(mean) != len(deviation) or not mean or len(mean) % channels:
        raise IncompatibleWeightsError(
            f"config.json has {len(mean)} latents_mean and {len(deviation)} latents_std for "
            f"{channels} channels"
        )
    tensors = {
        f"{part}.scale.{name}": torch.tensor(values, dtype=torch.float32).view(channels, -1)
        for part in parts
        for name, values in (("mean", mean), ("deviation", deviation))
    }
    return {"scaling_factor": factor, "statistics": len(mean) // channels}, tensors


def _name(name: str, renamed: Mapping[str, str]) -> str:
    """The name here of a tensor there: a beginning is replaced, and an end (with a dot before)."""
    name = _OLD.sub(lambda match: f"{match[1]}{_ATTENTION[match[2]]}.", name)
    for there, here in renamed.items():
        if there.startswith("."):
            if name.endswith(there):
                name = name.removesuffix(there) + here
        elif name.startswith(there):
            return _name(here + name.removeprefix(there), _endings(renamed))
    return name


def _endings(renamed: Mapping[str, str]) -> dict[str, str]:
    return {there: here for there, here in renamed.items() if there.startswith(".")}


def _image(a: _Arguments) -> tuple[int, ...]:
    size = a.get("sample_size", SIZE)
    height, width = size if isinstance(size, tuple) else (size, size)
    return (a["in_channels"], height, width)


def _unless(names: tuple[str, ...], usual: str) -> tuple[str, ...]:
    """The names, or () where all are the usual one."""
    return () if all(name == usual for name in names) else names


def _pick(a: _Arguments, *keys: str) -> dict[str, Any]:
    return {key: a[key] for key in keys}


def _call(name: str, *parts: Spec, **arguments: Any) -> Spec:
    return Spec(name, parts, tuple((key, _value(value)) for key, value in arguments.items()))


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return Spec(value)
    return tuple(_value(v) for v in value) if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, list | tuple) else value
