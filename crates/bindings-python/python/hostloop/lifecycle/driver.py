"""The driver: takes the run's commands, has each done, and answers it.

    commands --> construct, finalize, start_hook, run_worker, drain, swap, ... --> complete --> commands ...

A command names the method that does it. What can be done at once (a `def` constructor) is answered before the next command is
looked at; what waits has a task of its own, in the context that the application was started in.

Functions of the user's fail in their commands, and the run says what follows. What escapes besides is a defect of hostloop's, or
asks the process to end: it fails the command, stops everything, and is raised in the end. Nobody is left to wait for ever.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any

from .._core import ManualClock, Run
from ..errors import FatalError
from .events import Event, log, report
from .failures import Errors, note
from .options import Lifetimes
from .wiring import Wiring

__all__ = ["Driver"]

ANSWERED = frozenset(
    ("construct", "finalize", "start_hook", "stop_hook", "run_worker", "listen", "drain", "await_users"),
)
"""Commands that the run waits for: their first argument is what they are answered by."""


class Driver:
    """Drives one run in the running loop."""

    def __init__(
        self,
        wiring: Wiring,
        lifetimes: Lifetimes,
        drain_timeout: float | None,
        clock: ManualClock | None,
        observe: Callable[[Event], None] | None,
    ) -> None:
        self.wiring = wiring
        self.lifetimes = lifetimes
        self.drain_timeout = drain_timeout
        self.loop = asyncio.get_running_loop()
        self.run = Run(wiring.plan, lifetimes, drain_timeout, clock)
        self.errors = Errors()
        self.fatal: BaseException | None = None
        """What asks the process to end, or a defect of hostloop's: everything stops first, then it is raised."""
        self._clock = clock
        self._observe = observe
        self._context = copy_context()
        self._queue: deque[tuple[Any, ...]] = deque()
        self._events: deque[Event] = deque()
        self._cancelled: set[int] = set()
        """Commands in the queue that are cancelled already."""
        self._is_pumping = False
        self._is_awake = False
        self._is_held_up = False
        """Whether something must end before further commands are done, and events told."""
        self._timer: asyncio.TimerHandle | None = None
        self.tasks: dict[int, asyncio.Task[Any]] = {}
        """By the command that each does, while it does it."""

    def stop(self, code: int = 0) -> None:
        """Begins to stop; the first code holds."""
        self.run.stop(code)
        self.wake()

    # Taking commands.

    def wake(self) -> None:
        """Has commands taken soon."""
        if not self._is_awake:
            self._is_awake = True
            self.loop.call_soon(self.pump, context=self._context.copy())

    def pump(self) -> None:
        """Does everything that the run asks for, until it waits for something."""
        self._is_awake = False
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while not self._is_held_up and (self._pull() or self._poll()):
                while self._queue and not self._is_held_up:
                    self._obey(*self._queue.popleft())
                    self._pull()
        except BaseException as error:
            self._break_off(error)
        finally:
            self._is_pumping = False

    def pump_at_once(self) -> None:
        """Pumps for somebody who cannot wait."""
        self._context.copy().run(self.pump)

    def _pull(self) -> bool:
        """Takes the commands and events that there are, and returns whether there is something to do."""
        commands = self.run.take_commands()
        self._queue.extend(commands)
        self._cancelled.update(command[1] for command in commands if command[0] == "cancel")
        self._events.extend(self.run.take_events())
        while self._events and not self._is_held_up:
            self._tell(self._events.popleft())
        return bool(self._queue)

    def _obey(self, name: str, *arguments: Any) -> None:
        """Does one command."""
        try:
            getattr(self, f"_{name}")(*arguments)
        except BaseException as error:
            if name == "stopped":
                # Nothing comes after it that could tell of this.
                raise
            if name in ANSWERED:
                self.failed(arguments[0], error)
            self.broke(error, f"command `{name}`")

    def _tell(self, event: Event) -> None:
        """Tells of one event."""
        try:
            try:
                report(event, self.wiring)
                if self._observe is not None:
                    self._observe(event)
            finally:
                self._happened(event)
        except BaseException as error:
            self.broke(error, f"event `{event[1]}`")

    def _poll(self) -> bool:
        """Lets deadlines pass, and waits for the next. Returns whether that gave something to do."""
        delay = self.run.poll()
        self._cancel_timer()
        if self._pull():
            return True
        if delay is not None and self._clock is None:
            self._timer = self.loop.call_later(delay, self.wake)
        return False

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _happened(self, event: Event) -> None:
        """Takes note of an event."""

    # Defects.

    def broke(self, error: BaseException, where: str) -> None:
        """Stops everything because of what no function of the user's has raised, and has it raised in the end."""
        if isinstance(error, Exception):
            note(error, f"the {where} of hostloop itself failed; please report this")
            log.critical("the %s of hostloop itself failed; the application stops", where, exc_info=error)
        self.fatal = self.fatal or error
        self.stop(1)

    def _break_off(self, error: BaseException) -> None:
        """Ends everything without the run, which cannot be asked any more."""
        raise NotImplementedError

    # Doing and answering them.

    def complete(self, op: int, outcome: str, error: BaseException | None = None) -> bool:
        """Answers a command, and returns whether it was still waited for."""
        self.tasks.pop(op, None)
        number = 0 if error is None else self.errors.keep(error)
        is_awaited = self.run.complete(op, outcome, number)
        if not self._is_pumping:
            self.wake()
        return is_awaited

    def failed(self, op: int, error: BaseException) -> None:
        """Answers a command that could not be done."""
        if isinstance(error, asyncio.CancelledError):
            self.complete(op, "cancelled")
            return
        is_last = not isinstance(error, Exception)
        if not self.complete(op, "fatal" if is_last or isinstance(error, FatalError) else "failed", error):
            log.error("what was abandoned has failed", exc_info=error)
        if is_last:
            # KeyboardInterrupt and SystemExit.
            self.fatal = self.fatal or error
            self.stop(1)

    def do(self, op: int, what: str, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Has a coroutine do a command, in a task and a context of its own."""
        task = self._context.copy().run(self.loop.create_task, call, name=f"hostloop {what}")
        if not task.done():
            self.tasks[op] = task
        task.add_done_callback(partial(self._ended, op))
        return task

    def _ended(self, op: int, task: asyncio.Task[Any]) -> None:
        """Answers the command of a task that has not done so: it was cancelled before its first step, or failed in answering."""
        try:
            if task.cancelled():
                self.complete(op, "cancelled")
            elif (error := task.exception()) is not None:
                self.failed(op, error)
                self.broke(error, f"task `{task.get_name()}`")
        except BaseException as raised:
            self._break_off(raised)

    def call(self, op: int, what: str, call: Callable[[], Any]) -> None:
        """Makes a call, awaits what it returns if that can be awaited, and answers its command."""
        if self.is_dropped(op):
            return
        self.run.began(op)
        try:
            result = call()
        except BaseException as error:
            self.failed(op, error)
            return
        if inspect.isawaitable(result):
            task = self.do(op, what, self._answer(op, result))
            if inspect.iscoroutine(result):
                # One that is cancelled before its first step was never awaited.
                task.add_done_callback(lambda _: result.close())
        else:
            self.complete(op, "done")

    async def _answer(self, op: int, call: Any) -> None:
        try:
            await call
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failed(op, error)
        else:
            self.complete(op, "done")

    def is_dropped(self, op: int) -> bool:
        """Whether a command that has not begun is cancelled already; if so, answers it."""
        if op not in self._cancelled:
            return False
        self.complete(op, "cancelled")
        return True

    def _cancel(self, op: int, _reason: str) -> None:
        self._cancelled.discard(op)
        if (task := self.tasks.get(op)) is not None:
            task.cancel()

    def _abandon(self, op: int) -> None:
        self.tasks.pop(op, None)

    def _exit(self, code: int) -> None:
        log.critical("a third signal: the process ends now")
        exit_now(code)


def exit_now(code: int) -> None:
    """Ends the process without ado."""
    os._exit(code)
