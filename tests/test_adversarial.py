"""VAE/GAN and VQGAN: who receives which gradient, the losses in closed form, and exact resumes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import aezoo
from aezoo.components.critics.mlp import MLPCritic
from aezoo.data.sets import load
from aezoo.errors import CapabilityError
from aezoo.latents import Latent, point
from aezoo.objectives.adversarial import balance, held, hinge, last_kernel, right
from aezoo.objectives.vaegan import feature_error
from aezoo.train import loop
from aezoo.train.loop import fit
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Stage
from aezoo.train.stages import ModelTask

VAEGAN = "vae(mlp(6,act=tanh),gaussian(3),mlp(6,act=tanh),objective=vaegan({}),input=(1,6,5))"
VQGAN = (
    "vqvae(res(8,depth=1,down=2),vq(7,3),unres(8,depth=1),likelihood=laplace,"
    "objective=vqgan({}),input=(1,6,6))"
)
CRITIC = "critic=patch(4,layers=1)"
NO_NETWORK = f"{CRITIC},network=none"


def make(spec: str, arguments: str) -> Any:
    torch.manual_seed(0)
    return aezoo.create(spec.format(arguments)).double()


def some_x(model: Any, n: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(n, *model.input_shape, generator=generator).double()


def seeded(work: Callable[[], Any], seed: int = 7) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return work()


def gradients(loss: torch.Tensor, *parts: torch.nn.Module) -> list[torch.Tensor]:
    weights = [p for part in parts for p in part.parameters()]
    return list(torch.autograd.grad(loss, weights, retain_graph=True, materialize_grads=True))


# -- losses


def test_hinge_in_closed_form() -> None:
    real, fake = torch.tensor([2.0, 1.0, 0.5, -1.0]), torch.tensor([-3.0, -1.0, 0.0, 2.0])
    assert float(hinge(real, fake)) == 0.5 * ((0 + 0 + 0.5 + 2) / 4 + (0 + 0 + 1 + 3) / 4)
    real.requires_grad_()
    (slope,) = torch.autograd.grad(hinge(real, fake), real)
    assert slope.tolist() == [0, 0, -0.125, -0.125]  # nothing is asked beyond the margin
    assert float(right(real, fake)) == 0.5 * (3 / 4 + 2 / 4)
    assert float(right(real, fake, torch.ones(7))) == 0.5 * (3 / 4 + 1 / 4)


def test_a_critic_that_knows_nothing_costs_log_two_a_term() -> None:
    model = make(VAEGAN, CRITIC)
    for parameter in model.objective.critic.parameters():
        torch.nn.init.zeros_(parameter)
    x = some_x(model)
    output = model(x)
    losses = model.objective(model, x, output)
    assert float(losses.terms["adversarial"]) == pytest.approx(-2 * math.log(2))
    assert float(losses.total.detach()) == pytest.approx(
        float(output.rate.mean().detach()) - 2 * math.log(2)
    )
    theirs = model.objective.critic_losses(model, x, output)
    assert float(theirs.total.detach()) == pytest.approx(3 * math.log(2))


def test_the_feature_error_is_a_normals_log_density() -> None:
    a, b = torch.randn(2, 4, 3, 2, 2, dtype=torch.float64)
    normal = torch.distributions.Independent(torch.distributions.Normal(a, 1.0), 3)
    constant = 0.5 * 12 * math.log(2 * math.pi)
    torch.testing.assert_close(feature_error(a, b), -normal.log_prob(b).mean() - constant)


# -- who receives which gradient


@pytest.mark.parametrize("arguments", [f"0.3,{CRITIC}", "0.3,critic=mlp(5,4),layer=0"])
def test_vaegan_sends_each_part_its_own_gradient(arguments: str) -> None:
    model = make(VAEGAN, arguments)
    x = some_x(model)
    output = seeded(lambda: model(x))
    losses = seeded(lambda: model.objective(model, x, output))
    losses.total.backward(retain_graph=True)

    critic, layer = model.objective.critic, model.objective.config.layer
    assert all(p.grad is None for p in critic.parameters())
    feature = feature_error(critic.features(output.x_hat)[layer], critic.features(x)[layer])
    torch.testing.assert_close(losses.terms["feature"], feature.detach())
    born = seeded(lambda: point(model.p(model.prior.sample(len(x)).to(x))))
    fakes = torch.log1p(-critic(output.x_hat).sigmoid()).mean()
    fakes = fakes + torch.log1p(-critic(born).sigmoid()).mean()
    torch.testing.assert_close(losses.terms["adversarial"], fakes.detach())

    encoder = gradients(output.rate.mean() + feature, model.encoder, model.bottleneck)
    decoder = gradients(0.3 * feature + fakes, model.decoder)
    scale = gradients(output.distortion.mean(), model.likelihood)
    found = [model.encoder, model.bottleneck, model.decoder, model.likelihood]
    for parameter, expected in zip(
        (p for part in found for p in part.parameters()), encoder + decoder + scale, strict=True
    ):
        torch.testing.assert_close(parameter.grad, expected)

    losses = model.objective.critic_losses(model, x, output)
    model.zero_grad()
    losses.total.backward()
    assert all(p.grad is None for p in model.parameters())
    assert all(p.grad is not None for p in critic.parameters())


def test_vaegans_critic_is_shown_x_the_reconstruction_and_a_sample() -> None:
    model = make(VAEGAN, CRITIC)
    x = some_x(model)
    output = seeded(lambda: model(x))
    found = seeded(lambda: model.objective.critic_losses(model, x, output)).total
    born = seeded(lambda: point(model.p(model.prior.sample(len(x)).to(x))))
    critic = model.objective.critic
    real, fake, drawn = (torch.sigmoid(critic(a)) for a in (x, output.x_hat, born))
    expected = -(real.log().mean() + (1 - fake).log().mean() + (1 - drawn).log().mean())
    torch.testing.assert_close(found, expected)


def test_vqgans_weight_is_the_ratio_of_gradients_at_the_last_layer() -> None:
    model = make(VQGAN, f"{NO_NETWORK},start=0,weight=0.7").train()
    x = some_x(model)
    model(x)  # the first batch starts the codebook
    output = model(x)
    losses = model.objective(model, x, output)
    losses.total.backward(retain_graph=True)
    critic = model.objective.critic
    assert all(p.grad is None for p in critic.parameters())

    verdict = -critic(output.x_hat).mean()
    last = list(model.decoder.parameters())[-2]
    assert last.shape[1] == 1  # of the last transposed convolution
    (ours,) = torch.autograd.grad(output.distortion.mean(), last, retain_graph=True)
    (theirs,) = torch.autograd.grad(verdict, last, retain_graph=True)
    weight = ours.square().sum().sqrt() / (theirs.square().sum().sqrt() + 1e-6)
    torch.testing.assert_close(losses.terms["lambda"], weight)
    torch.testing.assert_close(losses.terms["adversarial"], verdict.detach())

    total = output.distortion.mean() + output.penalty.mean() + 0.7 * weight * verdict
    for parameter, expected in zip(model.parameters(), gradients(total, model), strict=True):
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, expected)
    assert all(p.grad is not None for p in (*model.encoder.parameters(), last))
    torch.testing.assert_close(losses.criterion, -output.elbo.mean().detach())


@pytest.mark.parametrize(
    "decoder",
    [
        "mlp(8)", "linear", "deconv(8,8)", "unres(8)", "unconvnext(8,scale=0.1)", "unresattn(8)",
        "unvit(8,1,2)",
    ],
)  # fmt: skip
def test_the_last_kernel_is_the_last_layers(decoder: str) -> None:
    """Without it, nothing of z is left in what comes out."""
    model: Any = aezoo.create(f"ae(res(8,depth=1),point(2),{decoder},input=(1,8,8))")
    z = torch.rand(2, *model.latent_shape)
    before = model.decoder(z)
    assert not torch.equal(before[0], before[1])
    torch.nn.init.zeros_(last_kernel(model, model.decoder))
    after = model.decoder(z)
    assert torch.equal(after[0], after[1])


def test_balance_by_hand() -> None:
    kernel = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    found = balance((3 * kernel).sum(), (kernel * torch.tensor([0.0, 4.0])).sum(), kernel, 1.0)
    assert float(found) == pytest.approx(math.sqrt(18) / 5)


def test_vqgans_critic_waits_for_its_start() -> None:
    model = make(VQGAN, f"{NO_NETWORK},start=10").train()
    x = some_x(model)
    model(x)
    for step, starts in ((0, False), (9, False), (10, True), (99, True)):
        model.objective.schedule(step, 100)
        output = model(x)
        losses = model.objective(model, x, output)
        plain = output.distortion.mean() + output.rate.mean() + output.penalty.mean()
        assert bool(losses.total != plain) is starts
        assert bool(losses.terms["lambda"] > 0) is starts
        model.objective.critic.zero_grad()
        model.objective.critic_losses(model, x, output).total.backward()
        grads = [p.grad for p in model.objective.critic.parameters()]
        assert any(g.abs().sum() > 0 for g in grads) is starts
    assert losses.terms.keys() == {
        "distortion", "rate", "penalty", "adversarial", "lambda",
    }  # fmt: skip
    with torch.no_grad():  # validation: no gradients, no weight
        assert float(model.eval().loss(x).terms["lambda"]) == 0


def test_a_held_critic_learns_again_afterwards() -> None:
    critic = torch.nn.Linear(2, 1)
    critic.bias.requires_grad_(False)
    x = torch.ones(1, 2, requires_grad=True)
    with held(critic):
        critic(x).sum().backward()
    assert x.grad is not None
    assert critic.weight.grad is None
    assert critic.weight.requires_grad
    assert not critic.bias.requires_grad


# -- the batch


def test_vaegan_does_not_know_the_batchs_size(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(VAEGAN, CRITIC)
    x = some_x(model, 3)
    latent = seeded(lambda: model.encode(x, sample=True))
    drawn = seeded(lambda: model.prior.sample(3)).double()
    monkeypatch.setattr(
        model.prior, "sample", lambda n, **_: drawn.repeat(n // 3, 1), raising=False
    )
    found = []
    for times in (1, 4):
        rows = x.repeat(times, 1, 1, 1)
        q = model.encode(rows).q
        output = model.output(rows, Latent(latent.z.repeat(times, 1), q))
        losses = model.objective(model, rows, output)
        theirs = model.objective.critic_losses(model, rows, output)
        grads = gradients(losses.total, model.decoder)
        found.append([losses.total, losses.criterion, theirs.total, *grads])
    for one, many in zip(*found, strict=True):
        torch.testing.assert_close(one, many)


def test_vqgan_does_not_know_the_batchs_size() -> None:
    model = make(VQGAN, f"{NO_NETWORK},start=0").eval()
    x = some_x(model, 3)
    found = []
    for times in (1, 4):
        rows = x.repeat(times, 1, 1, 1)
        output = model(rows)
        losses = model.objective(model, rows, output)
        theirs = model.objective.critic_losses(model, rows, output)
        found.append([losses.total, losses.terms["lambda"], losses.criterion, theirs.total])
    for one, many in zip(*found, strict=True):
        torch.testing.assert_close(one, many, rtol=1e-5, atol=1e-5)


# -- whom it serves


@pytest.mark.parametrize(
    "spec",
    [
        f"vae(mlp(6),gaussian(3),mlp(6),objective=vaegan({CRITIC}),input=(2,9))",
        f"vae(mlp(6),gaussian(3),mlp(6),objective=vaegan({CRITIC}),input=(1,2,5,4))",
        "vae(mlp(6),gaussian(3),mlp(6),cond=label(4),likelihood=bernoulli,"
        f"objective=vaegan({CRITIC}),input=(1,4,4))",
        "vae(res(4,depth=1,down=2),gaussian(2),unres(4,depth=1),likelihood=gaussian(sigma=0.1),"
        f"prior=mog(3),objective=vaegan({CRITIC}),input=(1,6,6))",
        f"vae(mlp(6),gaussian(3),mlp(6),objective=vqgan({NO_NETWORK},start=0),input=(2,9))",
        f"ae(mlp(6),point(3),mlp(6),objective=vqgan({NO_NETWORK},start=0),input=(1,2,5,4))",
        "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),levels(vq(4,3),vq(5,2)),"
        f"unres(8,depth=1),objective=vqgan({NO_NETWORK},start=0),input=(1,8,8))",
    ],
)
def test_of_any_rank_conditional_and_of_several_levels(spec: str) -> None:
    torch.manual_seed(0)
    model = aezoo.create(spec)
    x = torch.rand(4, *model.input_shape)
    cond = torch.tensor([0, 3, 1, 1]) if model.cond is not None else None
    output = model(x, cond)
    losses = model.objective(model, x, output)
    losses.total.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    theirs = model.objective.critic_losses(model, x, output).total
    theirs.backward()
    assert torch.isfinite(theirs)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ae(mlp(6),point(3),mlp(6),objective=vaegan,input=(1,4,4))", "take a vae"),
        (f"vqvae(mlp(6),fsq(3,3),mlp(6),objective=vaegan({CRITIC}),input=(1,4,4))", "take a vae"),
        (
            "ae(mlp(6),point(3),mlp(6),prior=normal,objective=vaegan,input=(1,4,4))",
            "needs a rate",
        ),
        (
            f"vae(mlp(6),gaussian(3),mlp(6),objective=vaegan({CRITIC},layer=3),input=(1,4,4))",
            r"has 3 layers, counted from 0 to 2.*no layer 3",
        ),
    ],
)
def test_what_vaegan_cannot_do_is_said(spec: str, message: str) -> None:
    with pytest.raises(CapabilityError, match=message):
        aezoo.create(spec).loss(torch.rand(2, 1, 4, 4))


def test_vaegan_needs_a_critic_with_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(MLPCritic, "features")
    with pytest.raises(CapabilityError, match=r"take critic=patch\(64\)"):
        aezoo.create("vae(mlp(6),gaussian(3),mlp(6),objective=vaegan(critic=mlp(4)))")


def test_the_model_needs_a_mean_to_show_a_critic() -> None:
    spec = (
        "vae(mlp(4),gaussian(2),mlp(4),likelihood=pixelcnn(4,width=8,layers=1,levels=4),"
        "objective={},input=(1,4,4))"
    )
    for objective in (f"vaegan({CRITIC})", f"vqgan({NO_NETWORK})"):
        with pytest.raises(CapabilityError, match=r"pixelcnn.* has none in closed form"):
            aezoo.create(spec.format(objective)).loss(torch.rand(2, 1, 4, 4))


def test_vqgan_needs_a_decoder_that_learns() -> None:
    model = make(VQGAN, f"{NO_NETWORK},start=0")
    model.decoder.requires_grad_(False)
    with pytest.raises(CapabilityError, match="no layer of the decoder learns"):
        model.loss(some_x(model))


def test_a_loaded_models_critic_begins_anew(tmp_path: Path) -> None:
    """It is in no file: built where the weights are read to, it must not stay without numbers."""
    model = aezoo.create(VAEGAN.format(CRITIC))
    model.save_pretrained(tmp_path)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    again: Any = aezoo.create(f"local:{tmp_path}")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.isfinite(again.loss(torch.rand(2, 1, 6, 5)).total)
    again.to("cpu").double()
    assert next(again.objective.critic.parameters()).dtype == torch.float64


# -- training


class _Power(RuntimeError):
    pass


@pytest.mark.parametrize(
    "spec",
    [
        f"vae(mlp(16),gaussian(4),mlp(16),objective=vaegan({CRITIC}),input=(1,8,8))",
        "vqvae(res(8,depth=1,down=2),vq(8,4),unres(8,depth=1),objective=vqgan("
        f"{CRITIC},start=4,network=resnet10t,layers=(0,1),pretrained=false),input=(1,8,8))",
    ],
    ids=["vaegan", "vqgan"],
)
def test_a_killed_run_goes_on_bit_for_bit(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    stage = Stage(steps=9, batch=8, warmup=2, lr=1e-3, eval_every=5)

    def run(folder: Path, stop_at: int = -1) -> Any:
        torch.manual_seed(0)
        model = aezoo.create(spec).train()
        fit_set, validation = load("digits", "fit"), load("digits", "validation")
        few = dataclasses.replace(
            validation, images=validation.images[:32], labels=validation.labels[:32]
        )
        task: Any = ModelTask(model, fit_set, few, stage, 0, Ranks("cpu"))
        batch = task.batch

        def until(step: int) -> tuple[torch.Tensor, ...]:
            if step == stop_at:
                raise _Power
            return batch(step)

        monkeypatch.setattr(task, "batch", until)
        fit(task, stage, folder, name="model", seed=0, recipe_hash="x", ranks=Ranks("cpu"),
            quiet=True)  # fmt: skip

    run(tmp_path / "whole")
    with pytest.raises(_Power):
        run(tmp_path / "cut", stop_at=6)
    run(tmp_path / "cut")
    whole, cut = (load_file(tmp_path / f / "checkpoint.safetensors") for f in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert any(name.startswith("critic/") for name in whole)
    assert not any("network" in name or "perceptual" in name for name in whole)
    for name, tensor in whole.items():
        assert torch.equal(tensor, cut[name]), name


def test_the_critic_learns_to_tell_and_the_decoder_to_fool_it() -> None:
    torch.manual_seed(0)
    x = (torch.rand(32, 1, 1, 8) > 0.5).float().expand(-1, -1, 8, -1).contiguous()
    model: Any = aezoo.create(
        "vae(mlp(32),gaussian(4),mlp(32),"
        "objective=vaegan(0.0,critic=patch(8,layers=1)),input=(1,8,8))"
    )
    theirs = torch.optim.Adam(model.objective.critic.parameters(), 3e-3, betas=(0.5, 0.9))
    for _ in range(60):
        found = model.objective.critic_losses(model, x, model(x))
        theirs.zero_grad()
        found.total.backward()
        theirs.step()
    assert float(found.terms["critic_right"]) > 0.95
    ours = torch.optim.Adam(model.decoder.parameters(), 3e-3, betas=(0.5, 0.9))
    fooled = []
    for _ in range(60):
        losses = model.loss(x)
        ours.zero_grad()
        losses.total.backward()
        ours.step()
        fooled.append(float(losses.terms["adversarial"]))
    assert fooled[-1] < fooled[0] - 1
