"""WaveNet over the codes of a sequence.

van den Oord et al., WaveNet: A Generative Model for Raw Audio, 2016, arXiv:1609.03499, with global
conditioning (equation 5); over codes as in arXiv:1711.00937, section 4.3. The core's ``pixelcnn``
serves sequences too, but reaches one code further with each layer: this one doubles.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature
from aezoo.errors import ShapeError
from aezoo_audio.configs import WaveNetPriorConfig
from aezoo_audio.wavenet import WaveNet


class WaveNetPrior(nn.Module):
    """log P(codes) = sum over places of log P(code | the ones before, condition).

    Codes (B,L) int64 in [0,K); other lengths than the one it was built for work too. With a
    ``cond_dim`` E it needs a condition's embedding (B,E).
    """

    def __init__(
        self,
        config: WaveNetPriorConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        if num_codes is None or len(shape) != 1:
            raise ShapeError(
                "audio/wavenet is a prior over codes in a row, (L,), but these latents are "
                + (f"continuous, {shape}" if num_codes is None else f"codes of shape {shape}")
                + "; take a prior that serves them, as normal or pixelcnn"
            )
        self.shape = tuple(shape)
        self.num_codes = num_codes
        self.cond_dim = cond_dim
        self.net = WaveNet(
            num_codes, config.width, config.layers, config.cycle, cond_dim, config.dropout
        )

    def distribution(self, like: Tensor) -> None:
        """None: it has no closed form."""
        return None

    def logits(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,L) -> (B,K,L) float32, unnormalised log P(code | the ones before)."""
        return self.net.logits(codes, self._widened(cond))

    def log_prob(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,L) int64 in [0,K), cond (B,E) -> (B,) nats."""
        return self.net.log_prob(codes, self._widened(cond))

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
        """(n,*shape) int64 in [0,K). Temperature 0 takes the likeliest code each time."""
        check_temperature(temperature)
        shape = self.shape if shape is None else tuple(shape)
        if len(shape) != 1:
            raise ShapeError(f"audio/wavenet draws codes in a row, (L,), not {shape}")
        return self.net.sample(
            n, shape[0], self._widened(cond), generator=generator, temperature=temperature
        )

    def _widened(self, cond: Tensor | None) -> Tensor | None:
        """(B,E) -> (B,E,1), the same at every place."""
        if (cond is None) != (self.cond_dim is None):
            raise ShapeError(
                "audio/wavenet was built without a condition; leave cond out"
                if self.cond_dim is None
                else f"audio/wavenet was built with a condition; pass cond (B,{self.cond_dim})"
            )
        return None if cond is None else cond.unsqueeze(2)
