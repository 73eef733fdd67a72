"""Bits as latents: semantic hashing.

Salakhutdinov, Hinton, Semantic Hashing, 2009, doi:10.1016/j.ijar.2008.11.006 (bits as codes).
Shen et al., NASH: Toward End-to-End Neural Architecture for Generative Semantic Hashing, 2018,
arXiv:1805.05361, section 3 (Bernoulli variables with a prior, straight-through).
Maddison, Mnih, Teh, The Concrete Distribution, 2016, arXiv:1611.00712, appendix B (relaxed).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.components import bits, draws
from aezoo.components.nd import pointwise, wide
from aezoo.components.one_hot import annealed
from aezoo.components.posteriors.configs import Bits
from aezoo.latents import Latent


class BernoulliPosterior(nn.Module):
    """h (B, F, *L) -> z (B, D, *L) in {0, 1}; with sample=False what is likelier.

    estimator=straight_through: z is a draw in training too, with the gradient of its
    probability. estimator=concrete: in training z = sigmoid((logit + logistic noise) / tau), in
    between 0 and 1, with its own gradient; in eval mode a draw of bits, whatever tau is.

    Under the prior bernoulli the rate is the KL of the bits in either case. Under one without a
    closed form, made or nade, it is log q(z) - log p(z), and of a relaxed z that is no rate of
    bits: what training with concrete prints is then no bound, what eval mode gives is.
    """

    space = "bits"

    def __init__(self, config: Bits, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.config, self.in_shape = config, in_shape
        self.out_shape = (config.dim, *in_shape[1:])
        self.project = pointwise(len(in_shape) - 1, in_shape[0], config.dim)
        self.tau = config.tau

    def schedule(self, step: int, total: int) -> None:
        """tau falls geometrically from ``tau`` to ``tau_end`` over the run: of the step alone."""
        self.tau = annealed(self.config.tau, self.config.tau_end, step, total)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        logits = wide(self.project(h))
        q = bits.Bits(logits, 1)
        if not sample:
            return Latent(z=q.mode, q=q)
        u = draws.uniform(logits.shape, logits, generator)
        u = u.clamp(min=torch.finfo(u.dtype).tiny)
        score = logits + u.logit()
        z = (score > 0).to(logits.dtype)
        if self.training and self.config.estimator == "concrete":
            return Latent(z=(score / self.tau).sigmoid(), q=q)
        return Latent(z=z + (q.mean - q.mean.detach()), q=q)
