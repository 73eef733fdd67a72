"""Bernoulli pixels.

Kingma and Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114, appendix C.1.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent

from aezoo.components.likelihoods.configs import BernoulliConfig
from aezoo.components.nd import wide


class BernoulliLikelihood(nn.Module):
    """Decoder logits (B,C,*S) -> independent Bernoulli pixels.

    ``log_prob(x)`` is x log p + (1-x) log(1-p), summed over pixels, in nats. It takes grey
    x in [0,1] (the usual cross-entropy), but is a likelihood only where x is binary.
    """

    def __init__(self, config: BernoulliConfig, shape: tuple[int, ...]):
        super().__init__()
        self.param_channels = shape[0]

    def forward(self, params: Tensor) -> Independent:
        pixels = Bernoulli(logits=wide(params), validate_args=False)
        return Independent(pixels, params.ndim - 1, validate_args=False)
