"""What users declare: values, how to make them, what runs and when.

Each word gives a declaration, which does nothing by itself; `App(...)` takes any number of them. What can be wrong with one
function alone is refused here, where it is written; what can be wrong with all of them together, when the application is sealed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ..errors import InvalidError
from .fit import is_no, makes_no
from .handles import Lifecycle, Stop, WorkerHandle
from .keys import Key, read_key
from .options import OnExhausted, Policy, Restart, seconds
from .recipe import NOTHING, Recipe, Style, read_recipe
from .source import called_at, is_own, label_of, quoted, show_type, show_value

__all__ = [
    "Declaration",
    "context",
    "decorate",
    "hook",
    "invoke",
    "module",
    "provide",
    "supply",
    "worker",
]

APP, TRANSIENT, INHERITED = "app", "transient", "inherited"
"""Scopes that every application has; and the word for what lives as long as what it is made of, which no user can say."""


@dataclass(frozen=True, eq=False)
class Declaration:
    """One thing that an application is made of, or several. Give it to `App` or to `module`."""

    label: str = ""
    source: str = ""

    @property
    def name(self) -> str:
        """What it is called, with its place."""
        return quoted(self.label, self.source)


@dataclass(frozen=True, eq=False)
class Supply(Declaration):
    """A value that is ready."""

    value: Any = None
    keys: tuple[Key, ...] = ()
    is_built_in: bool = False


@dataclass(frozen=True, eq=False)
class Provide(Declaration):
    """How a value is made; or, of a decorator, wrapped."""

    recipe: Recipe = field(kw_only=True)
    keys: tuple[Key, ...] = ()
    scope: str = APP
    timeout: float | None = None
    stop_timeout: float | None = None
    is_private: bool = False
    is_decorator: bool = False


@dataclass(frozen=True, eq=False)
class Context(Declaration):
    """A value that comes with its scope."""

    key: Key = field(kw_only=True)
    scope: str = "request"


@dataclass(frozen=True, eq=False)
class Invoke(Declaration):
    """A call that is made once, when all is built."""

    recipe: Recipe = field(kw_only=True)
    timeout: float | None = None


@dataclass(frozen=True, eq=False)
class Hook(Declaration):
    """Calls at the start and at the stop."""

    start: Recipe | None = None
    stop: Recipe | None = None
    timeout: float | None = None
    stop_timeout: float | None = None


@dataclass(frozen=True, eq=False)
class Worker(Declaration):
    """A call that runs until the stop, supervised."""

    recipe: Recipe = field(kw_only=True)
    policy: Policy = field(default_factory=Policy)
    after: tuple[Any, ...] = ()
    timeout: float | None = None
    stop_timeout: float | None = None


@dataclass(frozen=True, eq=False)
class Group(Declaration):
    """Several declarations; of a module that has a name, with what is private to it."""

    members: tuple[Declaration, ...] = ()
    is_module: bool = False


def supply(*values: Any, as_: Any = None, name: str | None = None) -> Declaration:
    """Provides values that are ready, each as its own class.

    `as_` is the type that one value is provided as instead, or several: `supply(FakeMailer(), as_=Mailer)`. `name` tells it from
    others of the type, which are then asked for by `Annotated[T, Named(name)]`. Values are not taken back at the end.

    A class itself is supplied as the type of classes: `supply(SmtpMailer, as_=type[Mailer])`.

    Raises `InvalidError` for text and numbers without a name: every parameter of the type would be given them; for None; and for a
    value that is no instance of `as_`, as far as `isinstance` can tell. Mocks are of every type. What only serves as one is
    provided by a function that says so: `def fake() -> Mailer`.
    """
    if not values:
        raise InvalidError("supply is given nothing; give it a value")
    if (as_ is not None or name is not None) and len(values) != 1:
        raise InvalidError(f"supply is given {len(values)} values with as_ or name; supply each by itself")
    source = called_at()
    for value in values:
        refuse_unmeant(value, as_, source)
        refuse_misfit(value, as_, source)
    made = tuple(Supply(label_of(type(value)), source, value, keys_of(type(value), as_, name)) for value in values)
    for declaration in made:
        refuse_plain(declaration, declaration.keys)
    return made[0] if len(made) == 1 else Group("supply", source, made)


def provide(
    factory: Callable[..., Any],
    *,
    scope: str = APP,
    as_: Any = None,
    name: str | None = None,
    timeout: float | None = None,
    stop_timeout: float | None = None,
    private: bool = False,
) -> Declaration:
    """Provides what a class or function makes; its parameters are what it needs.

    A class is provided as itself, a function as what its return annotation says. `async def` is awaited. A generator or async
    generator yields its value once; what stands behind the `yield` is its teardown, and is thrown the error if its scope ends by
    one. Functions that return a context manager are entered and left.

    - `scope`: how long a value lives, and for whom it is made once: `"app"`, `"request"`, a scope of your own, or `"transient"`
      for one that is made anew for each who asks.
    - `as_`: the type that it is provided as instead, or a tuple of them. A class must be of it; what a function says that it
      returns must not be what nothing of that type can be, as `str` is of `int`.
    - `name`: tells it from others of the type.
    - `timeout`, `stop_timeout`: seconds for making it and for taking it back, if that is asynchronous. The default is
      `Lifetimes.step_timeout` and `stop_step_timeout` in the application's scope, none in shorter ones.
    - `private`: seen by its module alone, and by modules inside it.
    """
    recipe = read_recipe(factory, "provide", (Lifecycle,))
    check_scope(recipe, scope)
    keys = provided_keys(recipe, "provide", as_, name)
    refuse_other(recipe, as_)
    check_times(recipe, timeout, stop_timeout)
    return Provide(
        recipe.label,
        recipe.source,
        recipe=recipe,
        keys=keys,
        scope=scope,
        timeout=timeout,
        stop_timeout=stop_timeout,
        is_private=private,
    )


def decorate(wrapper: Callable[..., Any], *, name: str | None = None) -> Declaration:
    """Wraps what is provided elsewhere: `wrapper` takes the value of a type, and returns another of that type.

    It may take other parameters besides. Several are applied in the order of their declaration. One in a module holds in it alone.
    """
    recipe = read_recipe(wrapper, "decorate", (Lifecycle,))
    [key] = provided_keys(recipe, "decorate", None, name)
    recipe = replace(recipe, parameters=tuple(renamed(parameter, key) for parameter in recipe.parameters))
    if not any(parameter.wanted is not None and parameter.wanted.key == key for parameter in recipe.parameters):
        raise InvalidError(f"decorate: {recipe.name} has no parameter of the type `{key.label}`, which it would wrap; add one")
    return Provide(recipe.label, recipe.source, recipe=recipe, keys=(key,), is_decorator=True)


def renamed(parameter: Any, key: Key) -> Any:
    """What a decorator wraps has the name of what it provides."""
    wanted = parameter.wanted
    if key.name is None or wanted is None or wanted.key != Key(key.type):
        return parameter
    return replace(parameter, wanted=replace(wanted, key=key))


def context(wanted: Any, *, scope: str = "request", name: str | None = None) -> Declaration:
    """Declares a value that is given when a scope is entered: `app.scope("request", {User: user})`."""
    key = read_key(wanted, name)
    if scope in (APP, TRANSIENT):
        raise InvalidError(f"context: `{key.label}` has the scope {scope!r}, which nobody enters with values; use supply(...)")
    return Context(key.label, called_at(), key=key, scope=scope)


def invoke(function: Callable[..., Any], *, timeout: float | None = None) -> Declaration:
    """Calls a function once, when all is built and before anything starts. What it needs is built for it.

    Invokes are called one after the other, in the order of their declaration.
    """
    recipe = read_recipe(function, "invoke", (Lifecycle,))
    check_style(recipe, "invoke", Style.CALL, Style.AWAIT)
    check_times(recipe, timeout, None)
    return Invoke(recipe.label, recipe.source, recipe=recipe, timeout=timeout)


def hook(
    *,
    on_start: Callable[..., Any] | None = None,
    on_stop: Callable[..., Any] | None = None,
    timeout: float | None = None,
    stop_timeout: float | None = None,
    name: str | None = None,
) -> Declaration:
    """Calls functions when the application starts and when it stops.

    `on_stop` is called if `on_start` has ended well, and before the teardown of what either needs. The start may take `timeout`
    seconds, the stop `stop_timeout`; the defaults are those of `Lifetimes`.
    """
    if on_start is None and on_stop is None:
        raise InvalidError("hook has neither on_start nor on_stop; give it one of them")
    start, stop = (read_recipe(call, "hook") if call is not None else None for call in (on_start, on_stop))
    given = [call for call in (start, stop) if call is not None]
    for call in given:
        check_style(call, "hook", Style.CALL, Style.AWAIT)
    check_time("timeout", timeout, start is not None and start.style.is_async, given[0].name)
    check_time("stop_timeout", stop_timeout, stop is not None and stop.style.is_async, given[0].name)
    return Hook(name or given[0].label, given[0].source, start, stop, timeout, stop_timeout)


def worker(
    function: Callable[..., Any],
    *,
    restart: Restart = "on_failure",
    backoff: float = 0.2,
    factor: float = 2,
    max_backoff: float = 30,
    jitter: float = 0.1,
    max_restarts: int = 5,
    window: float = 60,
    stable_after: float = 60,
    on_exhausted: OnExhausted = "stop_app",
    after: Iterable[Any] = (),
    ready: bool = False,
    timeout: float | None = None,
    watchdog: float | None = None,
    stop_timeout: float | None = None,
    name: str | None = None,
) -> Declaration:
    """Runs an `async def` function from the start to the stop, and again when it fails.

    At the stop it is cancelled; if it takes a `Stop`, that is set instead, and it is cancelled when `stop_timeout` seconds have
    passed. A normal return and a cancellation are no failures.

    - `restart`: `"never"`, `"on_failure"`, or `"always"`, which runs it again after a normal return too.
    - `backoff`, `factor`, `max_backoff`, `jitter`: seconds before the first restart, how much longer each next wait is, its bound,
      and the part of it that is random.
    - `max_restarts` within `window` seconds; one more and it is exhausted. A run of `stable_after` seconds makes earlier ones
      forgotten.
    - `on_exhausted`: `"stop_app"`, `"degrade"` (go on without it), or `"restart_dependents"` (run it and what is `after` it anew).
    - `after`: workers or hooks that start before it and stop after it: what `worker` or `hook` returned, or their functions.
    - `ready`: the start waits until the worker calls `WorkerHandle.ready`, at most `timeout` seconds.
    - `watchdog`: seconds between two calls of `WorkerHandle.tick`; longer is a failure.

    Raise `FatalError` in a worker to have it not run again.
    """
    recipe = read_recipe(function, "worker", (Stop, WorkerHandle), label=name)
    if recipe.style is not Style.AWAIT:
        raise InvalidError(f"worker: {recipe.name} is not `async def`; make it so, and call what blocks with asyncio.to_thread")
    if (ready or watchdog is not None) and not any(parameter.special is WorkerHandle for parameter in recipe.parameters):
        what = "ready" if ready else "watchdog"
        raise InvalidError(f"worker: {recipe.name} has {what} and could never say so; add a parameter of the type WorkerHandle")
    if timeout is not None and not ready:
        raise InvalidError(f"worker: {recipe.name} has a timeout, which is for its ready gate; add ready=True")
    if callable(after) or isinstance(after, (str, Declaration)):
        raise InvalidError(
            f"worker: {recipe.name} has after={label_of(after) if callable(after) else 'a declaration'}; give a list of them"
        )
    seconds("timeout", timeout)
    seconds("stop_timeout", stop_timeout)
    policy = Policy(
        restart=restart,
        backoff=backoff,
        factor=factor,
        max_backoff=max_backoff,
        jitter=jitter,
        max_restarts=max_restarts,
        window=window,
        stable_after=stable_after,
        on_exhausted=on_exhausted,
        ready=ready,
        watchdog=watchdog,
    )
    return Worker(
        recipe.label,
        recipe.source,
        recipe=recipe,
        policy=policy,
        after=tuple(after),
        timeout=timeout,
        stop_timeout=stop_timeout,
    )


def module(name: str, *declarations: Declaration) -> Declaration:
    """Groups declarations. What is `provide(..., private=True)` in it is seen by it alone, and its decorators hold in it alone."""
    refuse_others(f"module {name!r}", declarations)
    return Group(name, called_at(), declarations, is_module=True)


# Checks.


def refuse_others(where: str, declarations: Iterable[Any]) -> None:
    """Refuses what is no declaration."""
    for declaration in declarations:
        if not isinstance(declaration, Declaration):
            shown = label_of(declaration) if callable(declaration) else repr(declaration)
            raise InvalidError(f"{where} is given {shown}; give it supply(...), provide(...) or another declaration")


def check_scope(recipe: Recipe, scope: Any) -> None:
    if not isinstance(scope, str) or not scope or scope == INHERITED:
        raise InvalidError(f"provide: {recipe.name} has the scope {scope!r}; use the name of a scope")
    if scope != APP and any(parameter.special is Lifecycle for parameter in recipe.parameters):
        raise InvalidError(
            f'provide: {recipe.name} takes a Lifecycle and has the scope "{scope}"; hooks are the application\'s: '
            "let it be a generator instead, whose teardown stands behind the yield"
        )


def keys_of(own: Any, as_: Any, name: str | None) -> tuple[Key, ...]:
    return tuple(read_key(wanted, name) for wanted in ((own,) if as_ is None else listed(as_)))


def listed(as_: Any) -> tuple[Any, ...]:
    """The types of `as_`: one, or several."""
    return as_ if isinstance(as_, tuple) else (as_,)


def refuse_unmeant(value: Any, as_: Any, source: str) -> None:
    """Refuses values that nobody means to supply as they are."""
    if as_ is not None:
        return
    if value is None:
        raise InvalidError(f"supply ({source}) is given None, which nobody can ask for; leave it out, and ask for `T | None`")
    if isinstance(value, type):
        label = label_of(value)
        raise InvalidError(
            f"supply ({source}) is given {show_value(value)} itself; {instead_of(value)}; the class is what "
            f"supply({label}, as_=type[{label}]) gives"
        )


def instead_of(cls: type) -> str:
    """What is meant where a class is supplied."""
    label = label_of(cls)
    if issubclass(cls, Enum):
        return "supply one of its members"
    if inspect.isabstract(cls) or getattr(cls, "_is_protocol", False):
        return "supply an instance of a class that extends it"
    return f"write supply({label}(...)), or provide({label}) to have it made"


def refuse_misfit(value: Any, as_: Any, source: str) -> None:
    """Refuses a value that is not of the types that it is supplied as."""
    for wanted in () if as_ is None else listed(as_):
        if is_no(value, wanted):
            shown, own = show_type(wanted), value if isinstance(value, type) else type(value)
            instance = f"supply({label_of(own)}(...), ...)"
            fix = instance if isinstance(value, type) and not issubclass(value, Enum) else how_to_fit(own, wanted)
            raise InvalidError(f"supply ({source}) is given {show_value(value)} as `{shown}`, which it is no instance of; {fix}")


def refuse_other(recipe: Recipe, as_: Any) -> None:
    """Refuses a factory that makes something of another type than it provides."""
    for wanted in () if as_ is None or recipe.returns is NOTHING else listed(as_):
        factory = recipe.function
        if makes_no(recipe.returns, wanted, is_called=isinstance(factory, type)):
            made, shown = show_type(recipe.returns), show_type(wanted)
            fix = how_to_fit(factory, wanted) if isinstance(factory, type) else "mend as_ or the return annotation"
            raise InvalidError(f"provide: {recipe.name} makes `{made}`, which is no `{shown}`; {fix}")


def how_to_fit(cls: type, wanted: Any) -> str:
    """What to do about a class that is none of what is asked for."""
    shown = show_type(wanted)
    extend = f"let `{label_of(cls)}` extend `{shown}`, " if is_own(cls) and isinstance(wanted, type) else ""
    return (
        f"{extend}mend as_, or, if it serves as one all the same, provide(f) with a function that is annotated to return `{shown}`"
    )


def provided_keys(recipe: Recipe, word: str, as_: Any, name: str | None) -> tuple[Key, ...]:
    """The keys of what a recipe makes."""
    if as_ is None and recipe.returns is NOTHING:
        raise InvalidError(
            f"{word}: {recipe.name} has no return annotation, so nobody knows what it makes; write `-> T`, or give as_=T"
        )
    if as_ is None and recipe.returns in (None, type(None)):
        raise InvalidError(f"{word}: {recipe.name} returns None, which nobody can ask for; use invoke(...) for what is only called")
    try:
        keys = keys_of(recipe.returns, as_, name)
    except InvalidError as error:
        raise InvalidError(f"{word}: {recipe.name} returns what cannot be asked for: {error}") from None
    refuse_plain(recipe, keys)
    return keys


PLAIN = (str, bytes, int, float, bool, complex)


def refuse_plain(who: Any, keys: tuple[Key, ...]) -> None:
    """Refuses text and numbers that have no name."""
    for key in keys:
        if key.name is None and key.type in PLAIN:
            shown = show_type(key.type)
            raise InvalidError(
                f"{who.name} provides `{shown}` without a name, so that every {shown} would be it; give it name=..., "
                f"and ask for Annotated[{shown}, Named(...)]"
            )


def check_style(recipe: Recipe, word: str, *styles: Style) -> None:
    if recipe.style not in styles:
        raise InvalidError(f"{word}: {recipe.name} is a {recipe.style.value}; use a function, or provide(...) what has a teardown")


def check_times(recipe: Recipe, timeout: float | None, stop_timeout: float | None) -> None:
    check_time("timeout", timeout, recipe.style.is_async, recipe.name)
    check_time("stop_timeout", stop_timeout, recipe.style.is_async and recipe.style.is_held, recipe.name)


def check_time(word: str, value: Any, is_waiting: bool, name: str) -> None:
    """Refuses a time for what runs in one go: nothing could cut it short."""
    seconds(word, value)
    if value is not None and not is_waiting:
        raise InvalidError(
            f"{name} has a {word}, and nothing in it waits that could be cut short; make it asynchronous or remove it"
        )
