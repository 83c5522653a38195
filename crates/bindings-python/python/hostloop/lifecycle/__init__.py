"""The lifecycle: what an application is made of, and the order in which it starts and stops."""

from .declare import Declaration, context, decorate, hook, invoke, module, provide, supply, worker
from .handles import Lifecycle, Stop, WorkerHandle
from .keys import Named, Soft
from .lazy import Lazy
from .options import Lifetimes
from .scope import Scope

__all__ = [
    "Declaration",
    "Lazy",
    "Lifecycle",
    "Lifetimes",
    "Named",
    "Scope",
    "Soft",
    "Stop",
    "WorkerHandle",
    "context",
    "decorate",
    "hook",
    "invoke",
    "module",
    "provide",
    "supply",
    "worker",
]
