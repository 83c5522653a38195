"""The container: one life of an application, in one loop.

The native run decides what is done when; it calls nothing and knows numbers alone. The container does it, with the functions and
objects that the numbers stand for: `driver.py` takes commands and answers them, `values.py` makes values and takes them back,
`activities.py` runs hooks, workers and the listener. Here is what goes beyond one command: the start, the stop and the reload.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from .._core import ManualClock
from ..errors import ClosedError, StoppedError
from .activities import Activities, Listener
from .block import Block
from .building import UNSET
from .closing import Closing
from .events import Event, log
from .failures import as_one, note
from .generation import Generation
from .held import leave
from .options import Lifetimes
from .owner import Owner
from .wiring import Wiring

if TYPE_CHECKING:
    from .scope import Scope

__all__ = ["Container"]


class Container(Activities):
    """One life of an application, in one loop."""

    def __init__(
        self,
        wiring: Wiring,
        lifetimes: Lifetimes,
        drain_timeout: float | None,
        listener: Listener,
        *,
        clock: ManualClock | None = None,
        observe: Callable[[Event], None] | None = None,
    ) -> None:
        super().__init__(listener, wiring, lifetimes, drain_timeout, clock, observe)
        self.code = 0
        """What `stop` was given, or 1 if something failed."""
        self.signals = 0
        self.block: Block | None = None
        """The block of the user's that it runs for, if that is to end when it fails."""
        self._is_asked = False
        """Whether somebody has asked it to stop, so that it does not stop by a failure."""
        self._is_failing = False
        self._is_broken_off = False
        self._awaits_block: int | None = None
        """The command that is answered when the block has ended."""
        self._stopping_since = 0.0
        self._up: asyncio.Future[None] = self.loop.create_future()
        self._down: asyncio.Future[BaseException | None] = self.loop.create_future()
        # Scopes.
        self.scopes: set[Scope] = set()
        """Those that are open, and inside no other."""
        self.is_closing = False
        self._closing: Closing | None = None
        """Those that hold everything up until they have closed."""
        self.blank = [UNSET] * len(wiring.places)
        """The values of a scope in which nothing was made."""
        self.waits = any(node.is_async and not node.lives_with_app for node in wiring.nodes)
        """Whether anything in a scope takes waiting."""
        # Reloads.
        self.generation = Generation(self)
        self.tables = self.generation.tables
        """What gives values in the scopes that are entered from now on."""
        self._leaving: object | None = None
        """The mark of the generation that was just replaced."""
        self._retiring: dict[int, weakref.ref[Any]] = {}
        self._reloads: dict[int, list[asyncio.Future[None]]] = {}

    # The start and the stop.

    async def start(self) -> None:
        """Builds and starts everything. What fails undoes all of it, and is raised."""
        self.run.start()
        self.wake()
        try:
            await self.up()
        except asyncio.CancelledError:
            self.stop()
            await self.down()
            raise
        if self._is_failing:
            await self.down()
        if self._down.done():
            error = self._down.result()
            raise StoppedError(self.exit_code) if error is None else error

    async def up(self) -> None:
        """Waits until everything has started, or has been undone."""
        await asyncio.shield(self._up)

    @property
    def exit_code(self) -> int:
        """What the process should end with: the code of `stop`. A signal is the ordinary way to end."""
        return 0 if self.signals else self.code

    @property
    def is_over(self) -> bool:
        """Whether everything has ended."""
        return self._down.done()

    def stop(self, code: int = 0) -> None:
        """Begins to stop; the first code holds."""
        self._note_asked()
        super().stop(code)

    def signal(self, number: int) -> None:
        """Takes a signal: the first stops, the second cuts the stop short, the third ends the process."""
        self._note_asked()
        self.signals += 1
        self.run.signal(number)
        if self._closing is not None and self.signals == 2:
            self._closing.cut_short(self.lifetimes.cut_short)
        elif self._closing is not None and self.signals > 2:
            self._closing.end()
        self.wake()

    def _note_asked(self) -> None:
        if self.fatal is None and self.run.stage == "running":
            self._is_asked = True

    def cut_short(self) -> None:
        """Stops, and has what is left end soon."""
        while self.signals < 2:
            self.signal(2)

    async def wait(self) -> BaseException | None:
        """Waits until everything has ended, and returns what failed."""
        return await asyncio.shield(self._down)

    async def down(self) -> BaseException | None:
        """Waits until everything has ended, and returns what failed. Who is cancelled meanwhile waits on, but not for long."""
        cancelled: asyncio.CancelledError | None = None
        while not self._down.done():
            try:
                await self.wait()
            except asyncio.CancelledError as error:
                cancelled = error
                self.cut_short()
        failure = self._down.result()
        if cancelled is None:
            return failure
        if failure is not None:
            log.error("the application did not stop well after %r", cancelled, exc_info=failure)
        raise cancelled

    def _started(self) -> None:
        self._up.set_result(None)

    def _stopped(self, code: int, failures: list[Any]) -> None:
        self._end(code, self.errors.all_of(failures))

    def _end(self, code: int, errors: list[BaseException]) -> None:
        """Tells all who wait that everything has ended."""
        self.code = code
        self.is_closing = True
        self._cancel_timer()
        if self.fatal is not None and not any(error is self.fatal for error in errors):
            errors.append(self.fatal)
        word = "stop" if self._up.done() else "start"
        self._down.set_result(as_one(errors, f"the application did not {word} well"))
        if not self._up.done():
            self._up.set_result(None)

    def _break_off(self, error: BaseException) -> None:
        if self._is_broken_off or self._down.done():
            log.critical("hostloop itself failed after the end", exc_info=error)
            return
        self._is_broken_off = self.is_closing = True
        self.fatal = self.fatal or error
        if isinstance(error, Exception):
            note(error, "hostloop itself failed; please report this")
            log.critical("hostloop itself failed; everything ends without order", exc_info=error)
        self._is_held_up = True
        if self._fail_block() and self.block is not None:
            limits = [limit for limit in (self.drain_timeout, self.lifetimes.stop_timeout) if limit is not None]
            self.block.when_ended(self._begin_abort, min(limits, default=None))
        else:
            self._begin_abort()

    def _begin_abort(self) -> None:
        task = self._context.copy().run(self.loop.create_task, self._abort(), name="hostloop abort")
        task.add_done_callback(self._aborted)

    async def _abort(self) -> None:
        """Ends what runs and takes back what is held, the last first, whatever fails."""
        tasks, held = list(self.tasks.values()), list(self._held.items())
        for task in tasks:
            task.cancel()
        if tasks:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(tasks, timeout=self.lifetimes.grace)
        for instance, made in reversed(held):
            try:
                await asyncio.wait_for(self._left(instance, made), self.lifetimes.stop_step_timeout)
            except BaseException as error:
                log.error("a teardown failed", exc_info=error)

    def _aborted(self, task: asyncio.Task[None]) -> None:
        """Tells all who wait, however the abort has ended: `asyncio.run` cancels every task at its end."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("hostloop itself failed in the end", exc_info=error)
        for future in self._unanswered():
            if not future.done():
                future.set_exception(ClosedError("the application has failed and ended; its log says why"))
        if not self._down.done():
            self._end(1, [])

    async def _left(self, instance: int, made: Any) -> None:
        """Leaves what is held."""
        recipe = self.wiring.nodes[self._nodes[instance]].recipe
        if isinstance(made, Owner):
            await made.left(None, self.lifetimes.grace)
        else:
            leave(recipe.style, made, None, recipe.name)

    def _unanswered(self) -> list[asyncio.Future[Any]]:
        """The futures of those who wait for values and reloads."""
        asked = [future for future, _ in self._tickets.values()]
        return [*asked, *(future for futures in self._reloads.values() for future in futures)]

    # The block that it runs for.

    def _fail_block(self) -> bool:
        """Has the block end, and returns whether that is to be waited for."""
        self._is_failing = True
        if self.block is None:
            return False
        self.block.cancel()
        return self.block.is_unwinding

    def _listen(self, op: int, node: int) -> None:
        if self.wiring.is_block(node):
            # It begins when all is up.
            self.complete(op, "done")
        else:
            super()._listen(op, node)

    def _drain(self, op: int, node: int, timeout: float | None) -> None:
        if not self.wiring.is_block(node):
            super()._drain(op, node, timeout)
        elif self.block is not None and self.block.is_unwinding:
            self._awaits_block = op
            # With a clock of the test's, the run alone says how long.
            self.block.when_ended(partial(self.complete, op, "done"), self.drain_timeout if self._clock is None else None)
        else:
            self.complete(op, "done")

    def _cancel(self, op: int, reason: str) -> None:
        if op == self._awaits_block and self.block is not None:
            self._cancelled.discard(op)
            self.block.give_up()
        else:
            super()._cancel(op, reason)

    # Scopes that are still open when values are taken back.

    def _happened(self, event: Event) -> None:
        if event[1] != "phase":
            return
        if event[4] == "pre-stop" and not self._is_asked:
            self._fail_block()
        if event[4] == "stopping":
            self._stopping_since = event[0]
        if event[4] == "closing":
            self.is_closing = True
            if self.scopes:
                self._close_scopes(event[0] - self._stopping_since)

    def _close_scopes(self, stopping_for: float) -> None:
        """Closes what was made in scopes; no command is done before that."""
        self._is_held_up = True
        create = self._context.copy().run
        tasks = [create(self.loop.create_task, scope.forsake(), name="hostloop close a scope") for scope in self.scopes]
        step, whole = self.lifetimes.stop_step_timeout, self.lifetimes.stop_timeout
        left = None if whole is None else max(whole - self.lifetimes.grace - stopping_for, 0)
        limits = [limit for limit in (step, left) if limit is not None]
        self._closing = Closing(tasks, min(limits, default=None), self._go_on)

    def _go_on(self) -> None:
        """Has commands done again."""
        if not self._is_broken_off:
            self._is_held_up = False
            self.wake()

    # Reloads.

    @property
    def is_reloading(self) -> bool:
        """Whether values of another generation are being made."""
        return bool(self._reloads)

    async def reload(self, nodes: list[int]) -> None:
        """Makes new values of nodes and of all that holds them, and swaps them in. What fails is raised, and nothing is swapped."""
        generation = self.run.reload(nodes)
        self.known.clear()
        future = self.loop.create_future()
        self._reloads.setdefault(generation, []).append(future)
        self.wake()
        await future

    def _reloaded(self, generation: int, failure: Any) -> None:
        error = self.errors.of(failure) if failure is not None else None
        for number in [number for number in self._reloads if number <= generation]:
            for future in self._reloads.pop(number):
                if future.done():
                    continue
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)

    def _swap(self, values: list[tuple[int, int]]) -> None:
        self.generation.mark.keep(self.current())
        self._current.update(values)
        self.known.clear()
        self._leaving = self.generation.mark
        self.generation = Generation(self)
        self.tables = self.generation.tables
        self.listener.swap()

    def _await_users(self, op: int) -> None:
        """Answers when the last who uses the generation that was replaced has left: when its mark is gone."""
        mark, self._leaving = self._leaving, None
        if mark is not None:
            self._retiring[op] = weakref.ref(mark, partial(self._users_left, op))

    def _users_left(self, op: int, _: Any) -> None:
        # This may be any thread, in the middle of anything.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._retired, op)

    def _retired(self, op: int) -> None:
        if self._retiring.pop(op, None) is not None:
            self.complete(op, "done")

    def _abandon(self, op: int) -> None:
        self._retiring.pop(op, None)
        super()._abandon(op)

    def hurry(self) -> None:
        """Has requests that are under way ended when it stops, instead of waiting for them."""
        self.listener.hurry()
