"""A device that is not the CPU on a machine that has none: what stands on it is computed here.

`torch.device("cpu", 1)` is no device of its own to torch. Inside `elsewhere()` it is one: its
tensors are wrappers around the CPU's, and keep the rules that a GPU's keep: nothing is computed
of tensors on two devices, but for numbers without axes and for indices; noise is drawn on the
generator's device; NumPy reads the CPU alone. Values are the CPU's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("cpu", 1)
CPU = torch.device("cpu")
_DATA: Any = Tensor.data
_aten = torch.ops.aten
_JOINS = {_aten.cat.default, _aten.stack.default}  # where a number without axes counts too
_MOVES = {_aten._to_copy.default, _aten.copy_.default}
_FROM_NUMBERS = {torch.tensor, torch.as_tensor, torch.asarray}
_INDEXED = {  # by indices that may stand on the CPU
    _aten.index.Tensor,
    _aten.index_put.default,
    _aten.index_put_.default,
    _aten._index_put_impl_.default,
    _aten._unsafe_index.Tensor,
}

_OF_NUMBERS = {torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor}


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Inside, the device is there: ``model.to(device)``, ``torch.zeros(3, device=device)``."""
    kept = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # a wrapper is another class
    try:
        with _Devices() as devices, _Functions(devices):
            yield DEVICE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(kept)


class There(Tensor):
    """A tensor on the device: ``here`` on the CPU has its numbers."""

    here: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # pyright: ignore[reportAssignmentType]

    @staticmethod
    def __new__(cls, here: Tensor) -> There:
        made = Tensor._make_wrapper_subclass(  # pyright: ignore[reportAttributeAccessIssue]
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            layout=here.layout,
            device=DEVICE,
            requires_grad=False,
        )
        made.here = here
        return made

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"There({self.here!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, None)

    @property
    def data(self) -> Tensor:
        return _DATA.__get__(self)

    @data.setter
    def data(self, value: There) -> None:
        _DATA.__set__(self, value)
        self.here = value.here

    # What torch's C++ takes for a way from the CPU to the CPU.

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        device, dtype = kwargs.get("device"), kwargs.get("dtype")
        for value in args:
            if isinstance(value, Tensor):
                device, dtype = value.device, value.dtype
            elif isinstance(value, torch.dtype):
                dtype = value
            elif isinstance(value, str | torch.device):
                device = value
        if device is None or torch.device(device) == DEVICE:
            return super().to(*args, **kwargs)
        return _aten._to_copy(self, device=CPU, dtype=dtype)

    def cpu(self, memory_format: Any = None) -> Tensor:
        return _aten._to_copy(self, device=CPU)

    def untyped_storage(self) -> Any:
        return self.here.untyped_storage()

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise TypeError(f"numpy() of a tensor on {DEVICE}: move it first, with cpu()")
        return self.cpu().detach().numpy()


class _Devices(TorchDispatchMode):
    """Makes new tensors on the device, and computes there what stands there."""

    generator: torch.device | None = None  # of the function that is called now

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {}, self.generator)


class _Functions(TorchFunctionMode):
    """What a dispatch is not told: the device of a generator, and that of tensors of numbers."""

    def __init__(self, devices: _Devices):
        super().__init__()
        self.devices = devices

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        found = [v for v in (*args, *given.values()) if isinstance(v, torch.Generator)]
        before = self.devices.generator
        self.devices.generator = found[0].device if found else before
        try:
            made = func(*args, **given)
        finally:
            self.devices.generator = before
        if func in _OF_NUMBERS and _asked_for(args, given) == DEVICE:
            return made.to(DEVICE)
        return made


def _asked_for(args: Any, kwargs: Any) -> torch.device:
    """The device that ``torch.tensor`` or ``Tensor.new_tensor`` was called for."""
    by_default = args[0].device if args and isinstance(args[0], Tensor) else CPU
    return torch.device(kwargs.get("device") or by_default)


def _run(func: Any, args: Any, kwargs: Any, generator: torch.device | None) -> Any:
    leaves = tree_leaves((args, kwargs))
    there = any(isinstance(leaf, There) for leaf in leaves)
    device = kwargs.get("device")
    if func is _aten.copy_.default:
        device = args[0].device
    there_too = there if device is None else device == DEVICE
    if there and func not in _MOVES:
        _check_devices(func, args, leaves)
    if there_too and generator == CPU:
        raise RuntimeError(f"{func} draws on {DEVICE} with a generator of the CPU")
    here = func(*tree_map(_here, args), **tree_map(_here, kwargs))
    if not there_too:
        return here
    made = tree_map(lambda value: There(value) if isinstance(value, Tensor) else value, here)
    return return_and_correct_aliasing(func, args, kwargs, made) if there else made


def _here(value: Any) -> Any:
    if isinstance(value, There):
        return value.here
    return CPU if isinstance(value, torch.device) else value


def _check_devices(func: Any, args: Any, leaves: list[Any]) -> None:
    if func in _INDEXED and isinstance(args[0], There):
        leaves = list(args[2:3])
    joins = func in _JOINS
    for leaf in leaves:
        if isinstance(leaf, Tensor) and not isinstance(leaf, There) and (leaf.ndim or joins):
            raise RuntimeError(
                f"{func} of tensors on two devices: one of shape {tuple(leaf.shape)} is on the "
                f"CPU, another on {DEVICE}"
            )
