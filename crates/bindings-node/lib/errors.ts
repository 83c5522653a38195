/** Every error of hostloop's: one small hierarchy under `HostloopError`, each class with a `code`. */

import { describe } from './describe'
import { flawOf, inner } from './http/field'

/** The base of all of them. */
export class HostloopError extends Error {
  /** What kind it is, for programs. */
  readonly code: string = 'ERR_HOSTLOOP'

  override get name(): string {
    return this.constructor.name
  }

  /** Counts `LifecycleError` in, which is an `AggregateError` and can extend no other class. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return Function.prototype[Symbol.hasInstance].call(this, value) || (this === HostloopError && value instanceof LifecycleError)
  }
}

/** A value is outside what is accepted. The message names it and the fix. */
export class InvalidError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_INVALID'
}

/** The call makes no sense now, such as a route given twice or a second response. */
export class ConflictError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_CONFLICT'
}

/** The address cannot be listened on: it is in use, not this machine's, not allowed, or a path where no socket can be made. */
export class AddressError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_ADDRESS'
}

/** The request has ended: it was answered, its client left, or a timeout ran out. */
export class StaleError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_STALE'
}

/** The server, the application or the scope is closed, or closing. */
export class ClosedError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_CLOSED'
}

/** The operating system refused, or hostloop itself has a defect. The process lives on. */
export class EngineError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_ENGINE'
}

/** The client left in the middle of its request's body, or of a streamed response. */
export class ClientDisconnected extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_CLIENT_DISCONNECTED'
}

/** A bounded queue is full. Wait, then try again. */
export class FullError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_FULL'
}

/** The process was forked after the server was made. Make servers after forking. */
export class ForkedError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_FORKED'
}

/** One mistake in the wiring, or one warning. */
export interface Mistake {
  /**
   * What kind it is, for programs: `missing`, `cycle`, `leak`, `ambiguous`, `duplicate`, `async-in-sync`, `unknown-scope`,
   * `override-nothing`, `decorate-nothing`, `pinned`; of warnings `unused` and `empty-collection`.
   */
  readonly code: string
  /** What is wrong. */
  readonly message: string
  /** How it is reached: names, each with the place where it was written. */
  readonly path: readonly { readonly label: string; readonly source: string }[]
  /** What to do, or empty. */
  readonly fix: string
  /** All of it, to be read. */
  readonly text: string
}

/** The declarations of an application do not fit together. It holds every mistake, not the first alone. */
export class WiringError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_WIRING'
  /** What must be mended. */
  readonly mistakes: readonly Mistake[]
  /** What is odd besides. */
  readonly warnings: readonly Mistake[]

  constructor(text: string, mistakes: readonly Mistake[] = [], warnings: readonly Mistake[] = []) {
    super(text)
    this.mistakes = mistakes
    this.warnings = warnings
  }
}

/** What was asked for is provided by nothing, or by several. The message says what comes close. */
export class NotProvidedError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_NOT_PROVIDED'
}

/** A provider does not do what its kind must: a generator that yields twice or never. */
export class ProviderError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_PROVIDER'
}

/** A factory would wait for itself. The message has the path. */
export class DeadlockError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_DEADLOCK'
}

/** The application was stopped before it had started. `exitCode` is what `stop` was given. */
export class StoppedError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_STOPPED'
  readonly exitCode: number

  constructor(exitCode = 0) {
    super('the application was stopped before it had started')
    this.exitCode = exitCode
  }
}

/** Ends a worker for good when it is thrown in one: it is not run again, whatever its policy. */
export class FatalError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_FATAL'
}

/** A step of the start or of the stop failed. The message names it and its place; what it threw is the `cause`. */
export class StepError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_STEP'
}

/** A factory, hook, worker or teardown took longer than it may. The message names it and tells what had finished. */
export class StepTimeout extends StepError {
  override readonly code: string = 'ERR_HOSTLOOP_STEP_TIMEOUT'
}

/**
 * Several steps of the start or of the stop failed; `errors` has those of the start first. It is an `AggregateError`, and a
 * `HostloopError` for `instanceof` as well. If one alone failed, its own error is thrown instead.
 */
export class LifecycleError extends AggregateError {
  readonly code: string = 'ERR_HOSTLOOP_LIFECYCLE'

  override get name(): string {
    return this.constructor.name
  }
}

/** What was wrong with a single value of a request. */
export interface ValueProblem {
  /** Where the value was: `path`, `query`, `header` or `body`. */
  in: string
  name: string | null
  got: unknown
  wanted: string
}

/** What an `HTTPError` says besides its status and its detail. */
export interface HTTPErrorOptions {
  /** Default: the status's own name. */
  title?: string
  errors?: readonly ValueProblem[]
  headers?: Readonly<Record<string, string>>
  /** What it comes of, for the log; the client is not told. */
  cause?: unknown
}

/**
 * Answers a request with problem details (RFC 9457) when thrown in a handler.
 *
 * ```js
 * throw new HTTPError(404, `no link is named ${code}`)
 * ```
 *
 * @throws InvalidError for what could not be sent, where it is made.
 */
export class HTTPError extends HostloopError {
  override readonly code: string = 'ERR_HOSTLOOP_HTTP'
  readonly status: number
  readonly detail: string | undefined
  readonly title: string | undefined
  readonly errors: readonly ValueProblem[] | undefined
  readonly headers: Readonly<Record<string, string>> | undefined

  constructor(status: number, detail?: string, more: HTTPErrorOptions = {}) {
    checkProblem(status, detail, more)
    super(detail ? `${status}: ${detail}` : String(status), 'cause' in more ? { cause: more.cause } : {})
    this.status = status
    this.detail = detail
    this.title = more.title
    this.errors = more.errors
    this.headers = more.headers
  }
}

const HTTP_OPTIONS = ['title', 'errors', 'headers', 'cause']

/** Refuses what cannot be sent, or would be left out of it. */
function checkProblem(status: number, detail: unknown, more: HTTPErrorOptions): void {
  if (!Number.isInteger(status) || status < 400 || status > 599)
    throw new InvalidError(`HTTPError has the status ${describe(status)}; use 400 to 599, as a number`)
  if (!isText(detail)) throw new InvalidError(`HTTPError has the detail ${describe(detail)}; give a text`)
  if (!isRecord(more)) throw new InvalidError(`HTTPError is given ${describe(more)}; give it an object of options, such as { title: ... }`)
  const unknown = Object.keys(more).find(name => !HTTP_OPTIONS.includes(name))
  if (unknown !== undefined) throw new InvalidError(`HTTPError has the option ${unknown}; there are ${HTTP_OPTIONS.join(', ')}`)
  const { title, errors, headers } = more
  if (!isText(title)) throw new InvalidError(`HTTPError has the title ${describe(title)}; give a text`)
  if (errors !== undefined && !Array.isArray(errors)) throw new InvalidError(`HTTPError has the errors ${describe(errors)}; give a list`)
  if (headers !== undefined) checkHeaders(headers)
}

function checkHeaders(headers: Readonly<Record<string, unknown>>): void {
  if (!isRecord(headers))
    throw new InvalidError(
      `HTTPError has the headers ${describe(headers)}; give an object of names and values, such as { 'retry-after': '5' }`,
    )
  for (const [name, value] of Object.entries(headers)) {
    const flaw = flawOf(name, inner(String(value)))
    if (flaw !== '') throw new InvalidError(`HTTPError: ${flaw}`)
  }
}

function isText(value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}

/** Whether it has properties to be read by their names, as no list has and no `Headers`. */
function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !(Symbol.iterator in value)
}
