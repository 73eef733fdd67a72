"""PixelCNN++ over codes.

Salimans, Karpathy, Chen and Kingma, PixelCNN++: Improving the PixelCNN with Discretized Logistic
Mixture Likelihood and Other Modifications, 2017, arXiv:1701.05517: its network
(`aezoo.components.pixelcnnpp`), with what is about pixels left out. Codes have no order, so that
one is read by its embedding and predicted by a softmax over all K, in the place of the mixture
of logistics (2.1), and has no channels to tie (2.2).

Letters: B batch, K codes, H rows, W columns, w of the streams.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_codes
from aezoo.components.causal import pointwise
from aezoo.components.nd import wide
from aezoo.components.pixelcnnpp import TwoStreams
from aezoo.components.priors.configs import PixelCNNPPConfig
from aezoo.components.priors.raster import check_call, draw, uniforms
from aezoo.errors import ShapeError


class PixelCNNPPPrior(TwoStreams):
    """log P(codes) = sum over positions, in raster order, of log P(code | the ones before).

    Codes (B,H,W), int64 in [0,K), of other sizes than the one it was built for too. With a
    ``cond_dim`` E it needs a condition's embedding: (B,E), or one a position (B,E,H,W).
    """

    def __init__(
        self,
        config: PixelCNNPPConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        num_codes = over_codes("pixelcnnpp", num_codes)
        if len(shape) != 2:
            raise ShapeError(
                f"pixelcnnpp serves codes with 2 axes, for one of its streams reads the rows "
                f"above; these have {len(shape)}: {tuple(shape)}; pixelcnn and pixelsnail serve "
                "sequences, transformer any number"
            )
        width = config.width
        super().__init__(
            width,
            width,
            layers=config.layers,
            down=config.down,
            dropout=config.dropout,
            cond_dim=cond_dim,
        )
        self.shape, self.num_codes, self.cond_dim = tuple(shape), num_codes, cond_dim
        self.embed = nn.Embedding(num_codes, width)
        self.head = pointwise(width, num_codes)

    def distribution(self, like: Tensor) -> None:
        """None: it has no closed form."""
        return None

    def logits(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,H,W) -> (B,K,H,W) float32, unnormalised log P(code | the ones before)."""
        check_call("pixelcnnpp", self, codes.shape[1:], cond)
        return self._predict(self.behind(self.embed(codes).permute(0, 3, 1, 2), cond))

    def log_prob(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,H,W) int64 in [0,K), cond (B,E) or (B,E,H,W) -> (B,) nats."""
        logits = self.logits(codes, cond).flatten(2)  # (B,K,H*W)
        return -F.cross_entropy(logits, codes.flatten(1), reduction="none").sum(1)

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
        """(n,*shape) int64 in [0,K). Temperature 0 takes the likeliest code each time.

        Equal to drawing position by position from `logits` of all codes so far. Dropout is off.
        One uniform number a code is drawn at the start, on the generator's device.
        """
        shape = self.shape if shape is None else tuple(shape)
        check_temperature(temperature)
        check_call("pixelcnnpp", self, shape, cond)
        rows, columns = shape
        noise = uniforms(n, shape, self.embed.weight.device, generator)
        codes = torch.zeros(noise.shape, dtype=torch.int64, device=noise.device)

        def put(behind: Tensor, i: int, j: int) -> Tensor:
            logits = self._predict(behind)[:, :, 0, 0]
            codes[:, i, j] = draw(logits, noise[:, i, j], temperature)
            return self.embed(codes[:, i, j])[:, :, None, None]

        self.walk(n, (rows, columns), cond, put)
        return codes

    def _predict(self, behind: Tensor) -> Tensor:
        """(B,w,H,W) -> (B,K,H,W), float32 at least."""
        with torch.autocast(behind.device.type, enabled=False):  # bf16 logits cost bits
            return self.head(F.elu(wide(behind)))
