"""HTTP: requests, responses, and the server that hands one to the handlers of an application and sends the other."""

from .options import Limits, Timeouts
from .request import Headers, Query, Request
from .response import Response, StreamingResponse, redirect

__all__ = ["Headers", "Limits", "Query", "Request", "Response", "StreamingResponse", "Timeouts", "redirect"]
