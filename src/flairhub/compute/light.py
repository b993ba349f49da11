"""Importing torch, Lightning and timm without what they never use here, so that a stage starts sooner."""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_METRICS = "torchmetrics"
_TRACER, _TRACER_UTILS = "torch._dynamo", "torch._dynamo.utils"
_BACKEND, _BACKEND_CONFIG = "torch._inductor", "torch._inductor.config"


class Metric:
    """No metric is one: Lightning asks of what a step returns whether it is."""


class MetricCollection(Metric):
    """As `Metric`."""


def leave_out_torchmetrics() -> None:
    """Let Lightning find a `torchmetrics` of the two classes that it asks for, instead of the whole package.

    That one imports all of its metrics, and with them SciPy's signals, torchvision's models and more. No figure here
    comes from it (`flairhub.evaluation`). For a process of our own, before it imports Lightning; one that has
    `torchmetrics` already keeps it.
    """
    if _METRICS in sys.modules:
        return
    module = ModuleType(_METRICS, "Only what Lightning asks for; see flairhub.compute.light.")
    module.__spec__ = ModuleSpec(_METRICS, None)
    vars(module).update(Metric=Metric, MetricCollection=MetricCollection, __version__=version(_METRICS))
    sys.modules[_METRICS] = module


def put_off_compiler() -> None:
    """Import torch's compiler when something of it is used, and not because others are being imported.

    torchvision's operators, a network of timm's, Lightning, the first call of an optimiser and the choice of
    deterministic algorithms import it - a second, as much as torch itself - only to say which functions must not be
    compiled, or how, or to ask whether something is. Whatever else is asked of it brings the real one, which then
    takes the place of this.

    For a process of our own, before it imports torchvision, timm or Lightning; one that has the compiler keeps it.
    """
    if _TRACER in sys.modules or _BACKEND in sys.modules:
        return
    utils = _PutOff(_TRACER_UTILS, is_compile_supported=_is_compile_supported)
    config = _PutOff(_BACKEND_CONFIG)  # keeps what is set in it
    backend = _PutOff(_BACKEND, __path__=[], config=config)
    tracer = _PutOff(
        _TRACER,
        __path__=[],
        utils=utils,
        disable=_never_compiled,
        graph_break=_nothing,
        OptimizedModule=OptimizedModule,
    )
    sys.modules.update({each.__name__: each for each in (tracer, utils, backend, config)})
    sys.meta_path.insert(0, _BelowPutOff())


class _PutOff(ModuleType):
    """Stands for a module until something is asked of it that it does not know."""

    def __init__(self, name: str, **known: Any) -> None:
        super().__init__(name, "Stands for torch's compiler until it is used; see flairhub.compute.light.")
        vars(self).update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what inspect, pickle and others ask of every module
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


class _BelowPutOff(MetaPathFinder):
    """Brings the real compiler when a module of it is imported, which then has imported itself."""

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> ModuleSpec | None:
        """What importlib asks of whoever knows where modules lie."""
        package = ".".join(fullname.split(".")[:2])
        if package == fullname or not isinstance(sys.modules.get(package), _PutOff):
            return None
        _real(package)
        module = sys.modules.get(fullname)
        return find_spec(fullname) if module is None else ModuleSpec(fullname, _There(module))


class _There(Loader):
    """Loads a module that is there."""

    def __init__(self, module: ModuleType) -> None:
        self._module, self._spec = module, module.__spec__

    def create_module(self, _spec: ModuleSpec) -> ModuleType:
        """The module itself."""
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        """It has run; importlib has given it another spec."""
        module.__spec__ = self._spec


def _real(name: str) -> ModuleType:
    """Bring the whole compiler, with the settings that were made in its place; returns a module of it."""
    settings = sys.modules.get(_BACKEND_CONFIG)
    for each in [each for each, module in sys.modules.items() if isinstance(module, _PutOff)]:
        del sys.modules[each]
    if isinstance(settings, _PutOff):
        for key, value in vars(settings).items():
            if not key.startswith("__"):
                setattr(importlib.import_module(_BACKEND_CONFIG), key, value)
    return importlib.import_module(name)


class _OfTheCompiler(type):
    """A class whose instances are those of the real one, where that has been imported."""

    def __instancecheck__(cls, instance: object) -> bool:
        real = sys.modules.get(f"{_TRACER}.eval_frame")
        return real is not None and isinstance(instance, real.OptimizedModule)


class OptimizedModule(metaclass=_OfTheCompiler):
    """What Lightning asks of a network: whether it is a compiled one."""


def _never_compiled(function: Any = None, _recursive: bool = True, **_options: Any) -> Any:
    """A function as it is: without the compiler nothing is compiled."""
    return (lambda each: each) if function is None else function


def _nothing(_message: str = "") -> None:
    """A break of a graph where none is drawn."""


def _is_compile_supported(device: str) -> bool:
    answer: bool = _real(_TRACER_UTILS).is_compile_supported(device)
    return answer
