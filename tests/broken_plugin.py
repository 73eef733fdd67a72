"""A plugin of which every component breaks one rule of the conformance kit, and no other.

`MANIFEST` and `MODULES` are its two files; `plugin_packages.lay_out` installs them.
"""

from __future__ import annotations

MANIFEST = """
from pathlib import Path


@dataclass(frozen=True)
class NoArguments:
    pass


@dataclass(frozen=True)
class Doubling:
    codes: int
    dim: int = 8

    def __post_init__(self):
        object.__setattr__(self, "dim", 2 * self.dim)


@hookimpl
def aezoo_quantizers():
    names = ["Sound", "Counting", "WrongShape", "ReadsNumbers", "Remembers", "LooksUpElse",
             "NoGradient", "BatchMean", "OnTheCPU", "GlobalNoise", "OtherDtype", "OtherCompiled",
             "NotReduced"]
    for name in names:
        yield quantizer(name, target=f"{package}.modules:{name}", example=f"{name}(4,3)")
    yield quantizer("NoExample", target=f"{package}.modules:Sound")
    yield quantizer("Doubles", target=f"{package}.modules:Sound", config=Doubling,
                    example="Doubles(4,dim=3)")


@hookimpl
def aezoo_posteriors():
    yield Component("TooWide", config=NoArguments, target=f"{package}.modules:TooWide",
                    summary="draws from another distribution than q")


@hookimpl
def aezoo_priors():
    for name in ("Bigram", "NotNormalised", "DrawsElse", "Clairvoyant", "Forgets"):
        yield Component(name, config=NoArguments, target=f"{package}.modules:{name}",
                        summary="the code before says which comes next",
                        caps=Capabilities(discrete=True))


@hookimpl
def aezoo_models():
    folder = Path(__file__).parent / "models"
    for name, sha256 in (("tampered", "0" * 64), ("cardless", None)):
        if not (folder / name).is_dir():
            continue
        import hashlib

        files = tuple(
            FileRecord(path.name, path.stat().st_size,
                       sha256 or hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted((folder / name).iterdir())
        )
        yield ModelEntry(name, spec="vae(mlp(4),gaussian(2),mlp(4),input=(1,4,4))", summary="tiny",
                         files=files, data="digits", folder=str(folder / name))
"""

MODULES = '''
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Independent, Normal

from aezoo.latents import Latent

COUNT = iter(range(1, 10_000))


class Sound(nn.Module):
    """h (B,F,*L) -> codes (B,*L) of a codebook (K,D); breaks no rule."""

    def __init__(self, config, *, in_shape):
        super().__init__()
        self.in_shape = in_shape
        self.out_shape = (config.dim, *in_shape[1:])
        self.num_codes = config.codes
        self.project = nn.Linear(in_shape[0], config.dim)
        self.codebook = nn.Parameter(torch.randn(config.codes, config.dim))

    def forward(self, h, *, sample=False, generator=None):
        with torch.autocast(h.device.type, enabled=False):
            return self.quantize(self.project(h.float().movedim(1, -1)))

    def quantize(self, rows):
        distances = (rows.flatten(0, -2)[:, None] - self.codebook).square().sum(-1)
        codes = distances.argmin(-1).view(rows.shape[:-1])
        z, rows = Sound.lookup(self, codes), rows.movedim(-1, 1)
        penalty = (rows - z).square().flatten(1).sum(1)
        return Latent(z=z.detach() + (rows - rows.detach()), codes=codes, penalty=penalty)

    def lookup(self, codes):
        return self.codebook[codes].movedim(-1, 1)


class Counting(Sound):
    """The size of a buffer is the number of those made before."""

    def __init__(self, config, *, in_shape):
        super().__init__(config, in_shape=in_shape)
        self.register_buffer("count", torch.zeros(next(COUNT)))


class WrongShape(Sound):
    """Says one channel more than it gives."""

    def __init__(self, config, *, in_shape):
        super().__init__(config, in_shape=in_shape)
        self.out_shape = (config.dim + 1, *in_shape[1:])


class ReadsNumbers(Sound):
    """Reads a tensor's value when it is made."""

    def __init__(self, config, *, in_shape):
        super().__init__(config, in_shape=in_shape)
        self.scale = torch.ones(()).item()


class Remembers(Sound):
    """Keeps in an attribute what training did."""

    steps = 0

    def quantize(self, rows):
        self.steps += self.training
        return super().quantize(rows + self.steps)


class LooksUpElse(Sound):
    """lookup is not what forward gives."""

    def lookup(self, codes):
        return -super().lookup(codes)


class NoGradient(Sound):
    """No straight-through estimator."""

    def quantize(self, rows):
        latent = super().quantize(rows)
        latent.z = latent.z.detach()
        return latent


class BatchMean(Sound):
    """The mean of the batch is taken off, in eval mode too."""

    def quantize(self, rows):
        return super().quantize(rows - rows.mean(0))


class OnTheCPU(Sound):
    """Makes its tensors on the CPU wherever it is."""

    def quantize(self, rows):
        return super().quantize(rows + torch.linspace(0, 1, rows.shape[-1]))


class GlobalNoise(Sound):
    """Draws without the generator."""

    def forward(self, h, *, sample=False, generator=None):
        latent = super().forward(h)
        if sample:
            latent.penalty = latent.penalty + torch.randn_like(latent.penalty)
        return latent


class OtherDtype(Sound):
    """Mixes bfloat16 and float32."""

    def forward(self, h, *, sample=False, generator=None):
        rows = self.project(h.movedim(1, -1))
        total = torch.zeros(self.num_codes, device=h.device)
        total.index_add_(0, torch.zeros_like(rows[..., 0]).long().flatten(),
                         rows.detach()[..., 0].flatten())
        return self.quantize(rows)


class OtherCompiled(Sound):
    """Computes something else when it is compiled."""

    def quantize(self, rows):
        return super().quantize(3 * rows if torch.compiler.is_compiling() else rows)


class NotReduced(Sound):
    """A moving average of this process's batches alone."""

    def __init__(self, config, *, in_shape):
        super().__init__(config, in_shape=in_shape)
        self.register_buffer("mean", torch.zeros(config.dim))

    def quantize(self, rows):
        if self.training:
            self.mean.lerp_(rows.detach().flatten(0, -2).mean(0), 0.5)
        return super().quantize(rows - self.mean)


class TooWide(nn.Module):
    """h (B,F,*L) -> z (B,F,*L), drawn with twice the standard deviation of q."""

    def __init__(self, config, *, in_shape):
        super().__init__()
        self.in_shape = self.out_shape = in_shape
        self.raw = nn.Parameter(torch.zeros(()))

    def forward(self, h, *, sample=False, generator=None):
        h, sigma = h.float(), self.raw.exp()
        q = Independent(Normal(h, sigma.expand_as(h)), h.ndim - 1)
        if not sample:
            return Latent(z=h, q=q)
        return Latent(z=h + 2 * sigma * torch.randn(h.shape, generator=generator), q=q)


class Bigram(nn.Module):
    """P(code | the code before) from a table, over codes (B,*L) in raster order; sound."""

    def __init__(self, config, shape, num_codes=None, cond_dim=None):
        super().__init__()
        self.shape, self.num_codes = tuple(shape), num_codes
        self.table = nn.Embedding(num_codes + 1, num_codes)

    def distribution(self, like):
        return None

    def logits(self, codes, cond=None):
        flat = codes.flatten(1)
        before = torch.cat([torch.full_like(flat[:, :1], self.num_codes), flat[:, :-1]], 1)
        return self.table(before).movedim(-1, 1).reshape(len(codes), -1, *codes.shape[1:])

    def log_prob(self, codes, cond=None):
        chosen = F.log_softmax(self.logits(codes), 1).gather(1, codes[:, None])
        return chosen.flatten(1).sum(1)

    @torch.no_grad()
    def sample(self, n, *, shape=None, cond=None, generator=None, temperature=1.0):
        shape = self.shape if shape is None else shape
        codes = torch.zeros(n, math.prod(shape), dtype=torch.int64)
        for i in range(codes.shape[1]):
            logits = self.step(codes, i)
            codes[:, i] = (
                torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)[:, 0]
                if temperature
                else logits.argmax(1)
            )
        return codes.reshape(n, *shape)

    def step(self, codes, i):
        return self.table(codes[:, i - 1] if i else torch.full_like(codes[:, 0], self.num_codes))


class NotNormalised(Bigram):
    """log_prob is a sum of logits."""

    def log_prob(self, codes, cond=None):
        return self.logits(codes).gather(1, codes[:, None]).flatten(1).sum(1)


class DrawsElse(Bigram):
    """Draws with sharper probabilities than log_prob has."""

    def step(self, codes, i):
        return 2 * super().step(codes, i)


class Clairvoyant(Bigram):
    """Its logits see all codes."""

    def logits(self, codes, cond=None):
        ahead = codes.flatten(1).float().mean(1).reshape(-1, *[1] * codes.ndim)
        return super().logits(codes) + ahead * torch.arange(self.num_codes).reshape(
            1, -1, *[1] * (codes.ndim - 1))


class Forgets(Bigram):
    """Its sampler does not look at the code before."""

    def step(self, codes, i):
        return super().step(codes, 0)
'''
