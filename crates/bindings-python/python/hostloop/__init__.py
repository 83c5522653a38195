"""Serve HTTP from inside the event loop your program already runs."""

from . import errors
from .app import App
from .errors import HTTPError
from .http import Headers, Limits, Query, Request, Response, StreamingResponse, Timeouts, redirect
from .http.server import Server
from .http.testing import TestClient, TestResponse

__all__ = [
    "App",
    "HTTPError",
    "Headers",
    "Limits",
    "Query",
    "Request",
    "Response",
    "Server",
    "StreamingResponse",
    "TestClient",
    "TestResponse",
    "Timeouts",
    "errors",
    "redirect",
]
