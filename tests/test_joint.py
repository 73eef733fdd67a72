"""Posteriors side by side: what each part costs, and that together they are one latent."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch.distributions import kl_divergence

import aezoo
from aezoo.components.joint import Joint
from aezoo.errors import CapabilityError, ShapeError
from aezoo.resolve import display, resolve, resolved
from aezoo.spec import SpecError

SPEC = "vae(mlp(8),joint(gaussian(3),gumbel(2,4){}),mlp(8){},input=(1,2,3))"


def make(parts: str = "", more: str = "") -> Any:
    torch.manual_seed(0)
    return aezoo.create(SPEC.format(parts, more))


def x(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(1))


def test_the_default_prior_is_of_the_parts_own() -> None:
    bound = resolve(SPEC.format(",vmf(3),bernoulli(2)", ""))
    assert "prior" not in str(display(bound))
    found = str(resolved(bound)).replace(" ", "")
    assert "joint(normal(version=1),categorical(k=4,version=1),sphere(version=1)" in found
    assert resolve(found) == bound
    model = make(",vmf(3),bernoulli(2)")
    assert model.latent_shape == (16,)
    assert str(display(bound)) == str(model.spec)


def test_rates_are_the_parts_and_add_up() -> None:
    model = make(",bernoulli(2)").eval()
    output = model(x(), generator=torch.Generator().manual_seed(2))
    (latent,) = output.latents
    q, p = latent.q, model.prior.distribution(latent.z)
    expected = [kl_divergence(a, b) for a, b in zip(q.parts, p.parts, strict=True)]
    for rate, kl in zip(latent.rates, expected, strict=True):
        torch.testing.assert_close(rate, kl)
    torch.testing.assert_close(output.rate, sum(expected))
    torch.testing.assert_close(kl_divergence(q, p), output.rate)
    names = {f"rate{i}": kl.mean().item() for i, kl in enumerate(expected)}
    assert {k: v.item() for k, v in latent.metrics.items()} == pytest.approx(names)


def test_q_is_the_product() -> None:
    model = make().eval()
    with torch.no_grad():
        latent = model.encode(x(), sample=True, generator=torch.Generator().manual_seed(2))
        q, z = latent.q, latent.z
        parts = [q.parts[0].log_prob(z[:, :3]), q.parts[1].log_prob(z[:, 3:])]
        torch.testing.assert_close(q.log_prob(z), sum(parts))
        torch.testing.assert_close(q.log_prob(z.clone()), sum(parts))
        torch.testing.assert_close(q.mean, torch.cat([part.mean for part in q.parts], 1))
        torch.testing.assert_close(q.variance, torch.cat([part.variance for part in q.parts], 1))
        many = torch.stack([z, z + 0.1])  # (S,B,D), as torch's distributions take them
        torch.testing.assert_close(q.log_prob(many)[0], sum(parts))


def test_the_bound_by_enumeration_of_the_discrete_part() -> None:
    """With the gaussian part at its mean alone, p(x, z) is summed over all one-hot vectors."""
    model, data = make().double().eval(), x(2).double()
    with torch.no_grad():
        q = model.encode(data).q
        eye = torch.eye(4).double()
        mean = q.parts[0].mean
        every = [torch.cat(pair) for pair in itertools.product(eye, eye)]
        z = torch.stack([torch.cat([mean, one.expand(2, -1)], 1) for one in every])
        log_q = torch.stack([q.log_prob(one) for one in z]) - q.parts[0].log_prob(mean)
        torch.testing.assert_close(log_q.exp().sum(0), torch.ones(2).double())
        log_p = torch.stack([model.prior.log_prob(one) for one in z])
        expected = model.prior.parts[0].log_prob(mean) - 2 * math.log(4)
        torch.testing.assert_close(log_p, expected.expand(16, -1))
        bound = model.log_prob(data, k=64, generator=torch.Generator().manual_seed(0))
        elbos = [model.elbo(data, generator=torch.Generator().manual_seed(i)) for i in range(50)]
        assert (bound > torch.stack(elbos).mean(0)).all()


def test_parts_without_a_closed_form_are_sampled() -> None:
    model = make(",iaf(3,1,8)", ",prior=joint(mog(3),categorical(4),maf(1,8))").eval()
    with torch.no_grad():
        latent = model.encode(x(), sample=True, generator=torch.Generator().manual_seed(2))
        latent.rate = model.rate(latent)
        q, z = latent.q, latent.z
        pieces = q.split(z)
        assert pieces[2] is q.parts[2]._made  # a flow knows the z it made
        for i in (0, 2):
            nats = q.parts[i].log_prob(pieces[i]) - model.prior.parts[i].log_prob(pieces[i])
            torch.testing.assert_close(latent.rates[i], nats)
        closed = kl_divergence(q.parts[1], model.prior.parts[1].distribution(pieces[1]))
        torch.testing.assert_close(latent.rates[1], closed)
        torch.testing.assert_close(sum(latent.rates), latent.rate)
        assert model.prior.distribution(z) is None
        nats = [part.log_prob(piece) for part, piece in zip(model.prior.parts, pieces, strict=True)]
        torch.testing.assert_close(model.prior.log_prob(z), sum(nats))


def test_a_prior_that_reads_a_condition_does() -> None:
    model = make("", ",cond=label(3),prior=joint(realnvp(2,8),categorical(4))").eval()
    y = torch.tensor([0, 1, 2, 0])
    assert model.elbo(x(), y).shape == (4,)
    assert model.sample(3, y[:3]).shape == (3, 1, 2, 3)


def test_samples_are_the_parts_side_by_side() -> None:
    model = make(",vmf(3),bernoulli(2)").eval()
    z = model.prior.sample(500, generator=torch.Generator().manual_seed(0))
    parts = model.prior._split(z)
    assert [part.shape[1] for part in parts] == [3, 8, 3, 2]
    assert (parts[1].unflatten(1, (2, 4)).sum(2) == 1).all()
    torch.testing.assert_close(parts[2].norm(dim=1), torch.ones(500))
    assert set(parts[3].unique().tolist()) == {0.0, 1.0}
    way = model.bottleneck.between(z[:9], z[9:18], torch.tensor(0.4))
    torch.testing.assert_close(way[:, :3], torch.lerp(z[:9, :3], z[9:18, :3], 0.4))
    torch.testing.assert_close(way[:, 11:14].norm(dim=1), torch.ones(9))


def test_a_map_is_joint_at_every_place() -> None:
    model = aezoo.create(
        "vae(res(8,depth=1,down=2),joint(gaussian(2),gumbel(1,3)),unres(8,depth=1),input=(1,8,8))"
    ).eval()
    data = torch.rand(2, 1, 8, 8)
    latent = model.encode(data, sample=True)
    assert latent.z.shape == (2, 5, 4, 4)
    assert (latent.z[:, 2:].sum(1) == 1).all()
    assert model.sample(2).shape == data.shape


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"prior=joint\(normal,categorical\(4\)\)"):
        make("", ",prior=normal")
    with pytest.raises(ShapeError, match="3 priors for 2 posteriors"):
        make("", ",prior=joint(normal,categorical(4),normal)")
    with pytest.raises(ShapeError, match=r"normal is no prior over what part 1"):
        make("", ",prior=joint(normal,normal)")
    with pytest.raises(CapabilityError, match="reads the model that it is the prior of"):
        make("", ",prior=joint(vamp(3),categorical(4))")
    with pytest.raises(SpecError, match="at least two posteriors"):
        aezoo.create("vae(mlp(8),joint(gaussian(3)),mlp(8),input=(1,2,3))")
    with pytest.raises(CapabilityError, match="3 capacities, and the latent 2 parts"):
        make("", ",objective=joint_capacity(1.0,1.0,1.0)").loss(x())


def test_capacities_are_dupont_s_equation_7() -> None:
    model = make("", ",objective=joint_capacity(2.0,1.0,gamma=3.0,steps=10)")
    output = model(x(), generator=torch.Generator().manual_seed(2))
    first, second = (rate.mean() for rate in output.latents[0].rates)
    for step, share in ((0, 0.0), (5, 0.5), (30, 1.0)):
        model.objective.schedule(step, 40)
        losses = model.objective(model, x(), output)
        price = 3.0 * ((first - 2.0 * share).abs() + (second - share).abs())
        torch.testing.assert_close(losses.total, output.distortion.mean() + price)
        chosen = output.distortion.mean() + 3.0 * ((first - 2.0).abs() + (second - 1.0).abs())
        torch.testing.assert_close(losses.criterion, chosen.detach())


def test_a_point_makes_it_one_and_temperatures_anneal_inside() -> None:
    model = aezoo.create("ae(mlp(8),joint(point(2),gumbel(1,3,tau_end=0.5)),mlp(8),input=(1,2,3))")
    assert model.bottleneck.deterministic
    latent = model.encode(x())
    assert latent.q is None
    model.bottleneck.parts[1].schedule(99, 100)
    assert model.bottleneck.parts[1].tau == pytest.approx(0.5)
    assert model.loss(x()).total.isfinite()
    assert isinstance(make().encode(x()).q, Joint)
