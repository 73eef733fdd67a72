"""A model does not depend on the device that it is on."""

from __future__ import annotations

import torch

from aezoo.testing.checks.weights import outputs
from aezoo.testing.elsewhere import elsewhere
from aezoo.testing.outcome import Broken, require
from aezoo.testing.subject import Subject, batch


def device_placement(subject: Subject) -> None:
    """Moved to another device a model trains there, and computes and draws what it did before.

    Fix: make tensors on the device of an argument (x.new_zeros(...), device=x.device), keep
    constants in buffers, and draw noise on the generator's device, then move it.
    """
    model = subject.build()
    before = outputs(model)
    with elsewhere() as device:
        model.to(device)
        try:
            after = {name: value.to("cpu") for name, value in outputs(model).items()}
            loss = model.train().loss(*batch(model)).total
            if loss.requires_grad:
                loss.backward()
        except RuntimeError as error:
            raise Broken(f"on another device: {error}") from error
    for name, value in before.items():
        near = torch.allclose(value.double(), after[name].double(), rtol=1e-4, atol=1e-4)
        require(near, f"{name} is another on another device")
