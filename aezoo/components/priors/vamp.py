"""VampPrior: the mean of the model's own posteriors of k learned inputs.

Tomczak and Welling, VAE with a VampPrior, 2017, arXiv:1705.07120, equation 9:
p(z) = (1/k) sum_i q(z|u_i), u_i the pseudo-inputs.

A pseudo-input is low + (high - low) * sigmoid(w) of a free w, so that it stays in the range of
the data (the paper's code clips, which stops the gradient at the edges). A conditional model
reads a condition with each: its embedding is learned as well, and the prior is of z alone.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_latents
from aezoo.components.log_joint import reads_log_joint
from aezoo.components.priors.configs import Vamp
from aezoo.errors import CapabilityError, ShapeError
from aezoo.latents import Latent


class VampPrior(nn.Module):
    """A mixture of k posteriors over continuous latents (B,D,*L); ignores ``cond``.

    The posterior's q must take z of a batch of its own, z (B,1,D,*L) -> log q (B,k), as torch's
    distributions do.
    """

    _model: Any  # the whole, which this prior reads

    def __init__(
        self,
        config: Vamp,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("vamp", num_codes)
        self.k, self.shape = config.k, tuple(shape)

    def attach(self, model: Any) -> None:
        """Make the pseudo-inputs of this model, whose encoder and posterior are then used.

        Raises:
            CapabilityError: its posterior is a point, or reads log p(x, z).
        """
        if reads_log_joint(model.bottleneck):
            raise CapabilityError(
                f"{model.spec}: vamp is a mixture of the model's posteriors, and this one reads "
                "the model's log p(x, z), of which the prior is a part; take gaussian, or "
                "prior=mog(10)"
            )
        if getattr(model.bottleneck, "deterministic", False):
            raise CapabilityError(
                f"{model.spec}: vamp is a mixture of the model's posteriors, and its bottleneck "
                "gives points; take gaussian, or prior=mog(10)"
            )
        self.__dict__["_model"] = model  # not a submodule: its weights are not the prior's
        self.inputs = nn.Parameter(torch.randn(self.k, *model.input_shape))  # before the sigmoid
        if model.cond is not None:
            self.conditions = nn.Parameter(torch.randn(self.k, *model.cond_shape))  # embedded ones

    def pseudo_inputs(self) -> Tensor:
        """u: (k,C,*S) in the model's input range."""
        low, high = self._model.input_range
        return low + (high - low) * self.inputs.sigmoid()

    def distribution(self, like: Tensor) -> None:
        """None: its KL has no closed form."""
        return None

    def log_prob(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """z (B,D,*L) -> (B,) nats, with gradient to the pseudo-inputs and to the encoder.

        Raises:
            ShapeError: z is not of the shape that the prior was built for.
        """
        self._check(tuple(z.shape[1:]))
        q = self._posterior(self._features()).q
        assert q is not None
        return q.log_prob(z.unsqueeze(1)).logsumexp(1) - math.log(self.k)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        shape: tuple[int, ...] | None = None,
        cond: Tensor | None = None,
        generator: Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """(n,*shape); ``temperature`` scales a draw's distance from its posterior's mode."""
        check_temperature(temperature)
        self._check(self.shape if shape is None else tuple(shape))
        h = self._features()
        where = h.device if generator is None else generator.device
        chosen = torch.randint(self.k, (n,), generator=generator, device=where).to(h.device)
        h = h[chosen]
        drawn = self._posterior(h, sample=True, generator=generator).z
        if temperature == 1:
            return drawn
        return torch.lerp(self._posterior(h).z, drawn, temperature)

    def _features(self) -> Tensor:
        """h of the pseudo-inputs: (k,F,*L)."""
        model = self._model
        return model.encoder(model._join(self.pseudo_inputs(), getattr(self, "conditions", None)))

    def _posterior(self, h: Tensor, **options: Any) -> Latent:
        return self._model.bottleneck(h, **options)

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise ShapeError(
                f"vamp was built for latents of shape {self.shape}, not {shape}: those of its "
                "pseudo-inputs"
            )
