"""Serve HTTP from inside the event loop your program already runs, and wire, start, supervise and stop all that belongs to it."""

from . import errors
from .app import App
from .errors import FatalError, HTTPError
from .http import Headers, Limits, Query, Request, Response, StreamingResponse, Timeouts, redirect
from .http.server import Server
from .http.testing import TestClient, TestResponse
from .lifecycle import (
    Declaration,
    Lazy,
    Lifecycle,
    Lifetimes,
    Named,
    Scope,
    Soft,
    Stop,
    WorkerHandle,
    context,
    decorate,
    hook,
    invoke,
    module,
    provide,
    supply,
    worker,
)

__all__ = [
    "App",
    "Declaration",
    "FatalError",
    "HTTPError",
    "Headers",
    "Lazy",
    "Lifecycle",
    "Lifetimes",
    "Limits",
    "Named",
    "Query",
    "Request",
    "Response",
    "Scope",
    "Server",
    "Soft",
    "Stop",
    "StreamingResponse",
    "TestClient",
    "TestResponse",
    "Timeouts",
    "WorkerHandle",
    "context",
    "decorate",
    "errors",
    "hook",
    "invoke",
    "module",
    "provide",
    "redirect",
    "supply",
    "worker",
]
