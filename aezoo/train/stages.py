"""The two stages: the model itself, and a prior fitted to the frozen model's latents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aezoo.components.log_joint import reads_log_joint
from aezoo.components.quantizers.nearest import perplexity, usage
from aezoo.data.sets import ImageSet, Resident, order
from aezoo.errors import TrainingError
from aezoo.latents import Latent, Losses, Output, levels, mean_of, normals
from aezoo.train.loop import Critic
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Stage

CHUNK = 500  # samples at a time where nothing is learned


def fits_prior(model: Any) -> bool:
    """Whether the model's prior is learned in a second stage, on the frozen model."""
    if not model.fits_prior or model.prior is None or model.prior_fitted:
        return False
    return any(True for _ in model.prior.parameters())


class ModelTask:
    """Stage one: everything but a prior that is fitted afterwards."""

    def __init__(
        self, model: Any, fit: ImageSet, validation: ImageSet, stage: Stage, seed: int, ranks: Ranks
    ):
        self.module = model
        self.samples = len(fit)
        self._stage, self._ranks = stage, ranks
        self._fit = Resident(fit, ranks.device, flip=stage.flip)
        self._validation = Resident(validation, ranks.device, binary="fixed")
        self._order = _Order(self.samples, stage, seed, ranks.device)
        self.critic = self._critic()
        self._scheduled = [
            part
            for part in (*model.modules(), model.objective)
            if callable(getattr(part, "schedule", None))
        ]
        self._seen: tuple[Tensor, Output] | None = None  # for the critic
        later = fits_prior(model)
        for part in (model.prior, model.prior_cond):
            if part is not None:
                part.requires_grad_(not later)

    def schedule(self, step: int, total: int) -> None:
        for part in self._scheduled:
            part.schedule(step, total)

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """x (B, C, *S) float32 and its labels y: this process's share of the batch."""
        # The whole batch is drawn everywhere: its flips and bits come from one generator.
        x, y = self._fit.batch(self._order.rows(step))
        return _formatted(self._ranks.slice(x), self._stage), self._ranks.slice(y)

    def losses(self, x: Tensor, y: Tensor) -> Losses:
        output = self.module(x, self.module.condition(x, y))
        losses = self.module.objective(self.module, x, output)
        if self.critic is not None:
            self._seen = x, output
        metrics = [latent.metrics for latent in output.latents]
        if len(metrics) > 1:
            metrics = [{f"{k}{i}": v for k, v in m.items()} for i, m in enumerate(metrics)]
        return Losses(losses.total, losses.terms | {k: v for m in metrics for k, v in m.items()})

    @property
    def solves(self) -> bool:
        """Whether the objective has a closed form, and no steps are taken."""
        return callable(getattr(self.module.objective, "solve", None))

    @torch.no_grad()
    def solve(self) -> None:
        """Let the objective set the weights, from one pass over the fit split."""
        share = slice(self._ranks.rank, None, self._ranks.world)
        seen = (self._fit.batch(rows) for rows in _chunks(self.samples, self._ranks.device))
        batches = ((x[share], y[share]) for x, y in seen)
        self.module.objective.solve(self.module, batches, self._ranks.sum)

    def _critic(self) -> Critic | None:
        """What the objective trains against the model, if anything."""
        objective = self.module.objective
        module = getattr(objective, "critic", None)
        if module is None:
            return None
        return Critic(module, self._critic_losses, getattr(objective, "critic_lr", None))

    def _critic_losses(self) -> Losses:
        assert self._seen is not None
        (x, output), self._seen = self._seen, None
        return self.module.objective.critic_losses(self.module, x, output)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Means over the split in nats per sample, the mean squared error, and codes in use.

        The ``loss`` leaves the penalties out: a commitment grows with the scale of the latents
        while the model gets better, and would choose early weights as the best. An objective
        whose total would choose badly, for a critic is in it say, gives a ``criterion``.
        """
        sums = _Sums()
        counts: tuple[Tensor, ...] = ()
        for rows in _chunks(len(self._validation), self._ranks.device):
            x, y = self._validation.batch(rows)
            x = _formatted(x, self._stage)
            output: Output = self.module(x, self.module.condition(x, y))
            losses = self.module.objective(self.module, x, output)
            chosen = losses.total if losses.criterion is None else losses.criterion
            total, penalty = chosen * len(x), output.penalty
            values = {"loss": total, "distortion": output.distortion.sum()}
            if output.rate is not None:
                values["rate"] = output.rate.sum()
            for level, latent in enumerate(output.latents):  # of a hierarchy
                if len(output.latents) > 1 and latent.rate is not None:
                    values[f"rate{level}"] = latent.rate.sum()
            if penalty is not None:
                values["penalty"] = penalty.sum()
                if losses.criterion is None:
                    values["loss"] = total - penalty.sum()
            if mean_of(output.p) is not None:  # a draw would cost minutes, and say less
                values["mse"] = (output.x_hat - x).square().flatten(1).mean(1).sum()
            sums.add(len(x), values)
            if self.module.codebooks:
                codes = tuple(latent.codes for latent in output.latents)
                new = self.module.count_codes(codes)
                counts = tuple(a + b for a, b in zip(counts, new, strict=True)) if counts else new
        figures = sums.means()
        for level, (_, q) in enumerate(self.module.codebooks):
            at = str(level) if len(counts) > 1 else ""
            figures[f"usage{at}"] = float(usage(counts[level]))
            figures[f"perplexity{at}"] = float(perplexity(counts[level])) / q  # as in the bench
        return figures


class PriorTask:
    """Stage two: -log p(codes) of a frozen model's codes, encoded once and kept on the device.

    A model without a quantizer has its latents in the place of codes. Where these are random the
    prior is fitted to the aggregated posterior, the mean of q(z|x) over the data: what q is is
    kept, and each step draws z anew.
    """

    critic = None
    solves = False

    def __init__(
        self, model: Any, fit: ImageSet, validation: ImageSet, stage: Stage, seed: int, ranks: Ranks
    ):
        if reads_log_joint(model.bottleneck):
            raise TrainingError(
                f"{model.spec}: the latents follow log p(x, z), of which the prior is a part, and "
                "would move while it is fitted; train the model with that prior from the start"
            )
        self.samples = len(fit)
        self._model, self._stage, self._ranks = model, stage, ranks
        model.requires_grad_(False)
        model.eval()
        parts = {"prior": model.prior, "prior_cond": model.prior_cond}
        self.module = nn.ModuleDict({k: part for k, part in parts.items() if part is not None})
        self.module.requires_grad_(True)
        self._several = len(model.codebooks) > 1
        self._kept = "latents"  # or codes; what they are drawn from: "normals", "features"
        self._encodings = self._encoded(fit, flipped=False)
        self._mirrored = self._encoded(fit, flipped=True) if stage.flip else None
        self._validation = self._encoded(validation, flipped=False)
        self._order = _Order(self.samples, stage, seed, ranks.device)
        if callable(getattr(model.prior, "start", None)):
            # Everywhere alike; a checkpoint's weights come over it.
            torch.manual_seed(seed)
            every = torch.arange(self.samples, device=ranks.device)
            model.prior.start(*self._drawn(_at(self._encodings[:-1], every)))
        self.module.train()

    def schedule(self, step: int, total: int) -> None:
        """Nothing anneals."""

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Codes (B, *L) int64 of each level, or latents (B, D, *L) float32, and the conditions."""
        rows = self._order.rows(step)
        batch = _at(self._encodings, rows)
        if self._mirrored is not None:
            coin = torch.rand(len(rows), device=rows.device) < 0.5
            batch = tuple(
                torch.where(coin.view(-1, *[1] * (a.ndim - 1)), b, a)
                for a, b in zip(batch, _at(self._mirrored, rows), strict=True)
            )
        batch = (*self._drawn(batch[:-1]), batch[-1])  # the whole batch's: one generator
        return tuple(self._ranks.slice(part) for part in batch)

    def losses(self, *inputs: Tensor) -> Losses:
        nats = self._nats(inputs[:-1], inputs[-1]).mean()
        return Losses(nats, {"nats_per_dim": nats.detach() / _dims(inputs[:-1])})

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The loss in nats per sample, and per code (or latent dimension)."""
        held_out = self._validation
        sums, dims = _Sums(), 1
        for rows in _chunks(len(held_out[0]), held_out[0].device):
            *kept, told = _at(held_out, rows)
            latents = self._drawn(tuple(kept))
            dims = _dims(latents)
            sums.add(len(rows), {"loss": self._nats(latents, told).sum()})
        loss = sums.means()["loss"]
        return {"loss": loss, "nats_per_dim": loss / dims}

    def _nats(self, latents: tuple[Tensor, ...], told: Tensor) -> Tensor:
        given = latents if self._several else latents[0]
        cond = told if self._model.capabilities.conditional else None
        embedded = self._model.embed_for_prior(cond)
        return -self._model.prior.log_prob(given, embedded)

    @torch.no_grad()
    def _drawn(self, kept: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Latents, or codes of each level, of what is kept of some rows."""
        if self._kept == "normals":
            mean, scale = kept
            return (mean + scale * torch.randn_like(mean),)
        if self._kept == "features":
            return (self._model.bottleneck(kept[0], sample=True).z.float(),)
        return kept

    def _keep(self, h: Any, latent: Latent) -> tuple[Tensor, ...]:
        """What the latents of some rows, or draws of them, are made of."""
        if latent.codes is not None:
            books = zip(levels(latent.codes), self._model.codebooks, strict=True)
            return tuple(c.to(torch.int16 if k <= 2**15 else torch.int32) for c, (k, _) in books)
        if latent.q is None:
            return (latent.z.float(),)
        if (q := normals(latent.q)) is not None:
            self._kept = "normals"
            return q.loc.float(), q.scale.float()
        if not isinstance(h, Tensor):
            raise TrainingError(
                f"{self._model.spec} has random latents of several levels; a prior is fitted "
                "afterwards on those of one level, or on codes"
            )
        self._kept = "features"
        return (h,)

    @torch.no_grad()
    def _encoded(self, images: ImageSet, *, flipped: bool) -> tuple[Tensor, ...]:
        """What latents are made of; and last the conditions, or labels where there are none."""
        model, device = self._model, self._ranks.device
        resident = Resident(images, device, binary="fixed")
        parts: list[tuple[Tensor, ...]] = []
        for rows in _chunks(len(resident), device):
            x, y = resident.batch(rows)
            if flipped:
                x = x.flip(-1)
            x = _formatted(x, self._stage)
            cond = model.condition(x, y)
            if hasattr(model.cond, "infer"):
                cond, _ = model.cond.infer(x, cond)
            h = model.features(x, cond)
            kept = self._keep(h, model.bottleneck(h))
            parts.append((*kept, y if cond is None else cond))
        return tuple(torch.cat(part) for part in zip(*parts, strict=True))


class _Order:
    """The rows of a step's global batch: a pure function of (samples, batch, seed, step)."""

    def __init__(self, samples: int, stage: Stage, seed: int, device: torch.device):
        self.samples, self.batch, self.seed, self.device = samples, stage.batch, seed, device
        self.per_epoch = stage.steps_per_epoch(samples)
        self._epoch, self._rows = -1, torch.empty(0)

    def rows(self, step: int) -> Tensor:
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._rows = order(self.samples, epoch, self.seed, self.device)
        return self._rows[at * self.batch : (at + 1) * self.batch]


class _Sums:
    """Sums over samples in float64, read once at the end."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: dict[str, Tensor] = {}

    def add(self, count: int, values: dict[str, Tensor]) -> None:
        self.count += count
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + value.double()

    def means(self) -> dict[str, float]:
        values = torch.stack(list(self.sums.values())) / self.count
        return dict(zip(self.sums, values.tolist(), strict=True))


def _chunks(count: int, device: torch.device) -> tuple[Tensor, ...]:
    """All rows, a chunk at a time. Every process evaluates all: so all get the same figures."""
    return torch.arange(count, device=device).split(CHUNK)


def _formatted(x: Tensor, stage: Stage) -> Tensor:
    if stage.channels_last and x.ndim == 4:
        return x.contiguous(memory_format=torch.channels_last)
    return x


def _at(latents: tuple[Tensor, ...], rows: Tensor) -> tuple[Tensor, ...]:
    """Some rows of what is stored, codes as int64."""
    taken = (level[rows] for level in latents)
    return tuple(level if level.is_floating_point() else level.long() for level in taken)


def _dims(latents: tuple[Tensor, ...]) -> int:
    """Codes, or latent dimensions, of one sample."""
    return sum(level[0].numel() for level in latents)
