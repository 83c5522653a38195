/**
 * A route's handler with what the graph gives it.
 *
 * Values of the application's scope are bound, once for each generation. What lives shorter is made in a scope of the request's, right before
 * the handler is called, and taken back when its response is known: a whole response is sent after that, so that a commit that fails is a
 * 500; a stream is sent before it. What the client does not get is taken back by an error: of a request that has ended meanwhile, and what
 * cannot be sent.
 */

import { ClientDisconnected, InvalidError } from '../errors'
import { discardAnswer, toJson } from '../http/answer'
import { isBytes } from '../http/bytes'
import type { Cause } from '../http/exchange'
import { headerLines, unframed } from '../http/headers'
import { PlatformResponse } from '../http/platform'
import { HostRequest, whenEnded } from '../http/request'
import { HostResponse, partsOf } from '../http/response'
import type { Container } from '../lifecycle/container'
import type { Context } from '../lifecycle/declared'
import type { Generation } from '../lifecycle/generation'
import { isPromise } from '../lifecycle/held'
import { type Get, together } from '../lifecycle/make'
import { Scope } from '../lifecycle/scope'
import { isReloadable, livesWithApp, type Wiring } from '../lifecycle/wiring'

const JSON_INIT: ResponseInit = { headers: [['content-type', 'application/json']] }

/** What answers a request, and is given more. */
export type Answer = (request: HostRequest, ...args: never[]) => unknown

type Respond = (request: HostRequest) => unknown

/** A handler in a container. */
export class BoundHandler {
  /** Answers a request with the values that are current. */
  readonly respond: Respond
  #respond: Respond

  constructor(
    private readonly container: Container,
    private readonly node: number,
    private readonly answer: Answer,
  ) {
    this.#respond = this.#bound()
    const isFixed = !reached(container.wiring, node).some(dep => isReloadable(container.wiring.node(dep)))
    this.respond = isFixed ? this.#respond : request => this.#respond(request)
  }

  /** Uses the values that are current from now on. */
  rebind(): void {
    this.#respond = this.#bound()
  }

  #bound(): Respond {
    const { wiring, generation } = this.container
    const needed = reached(wiring, this.node)
    const isScoped = needed.some(dep => !livesWithApp(wiring.node(dep)))
    const respond = isScoped ? this.#scoped(generation) : this.#plain(generation)
    if (!needed.some(dep => isReloadable(wiring.node(dep)))) return respond
    const { leave } = generation
    return request => {
      generation.enter()
      whenEnded(request, leave)
      return respond(request)
    }
  }

  /** Binds values of the application's scope. */
  #plain({ container }: Generation): Respond {
    const answer = this.answer as (...args: unknown[]) => unknown
    const values = container.wiring.node(this.node).deps.map(dep => {
      if (dep === null) return undefined
      return dep >= 0 ? container.peek(container.wiring.behind(dep)) : container.lazy(-1 - dep)
    })
    const [first, second, third] = values
    switch (values.length) {
      case 0:
        return answer
      case 1:
        return request => answer(request, first)
      case 2:
        return request => answer(request, first, second)
      case 3:
        return request => answer(request, first, second, third)
      default:
        return request => answer(request, ...values)
    }
  }

  /** Has values made in a scope of the request's. */
  #scoped(generation: Generation): Respond {
    const { wiring } = this.container
    const table = generation.tables.get(wiring.scopes.at(-1)!)!
    const gets = wiring.node(this.node).deps.map(dep => table.dep(dep, undefined))
    const begin = beginning(this.answer as (...args: unknown[]) => unknown, gets)
    const place = requestPlace(wiring)
    return request => {
      const scope = new Scope(table, null)
      if (place !== undefined) scope.values[place] = request
      let result
      try {
        result = begin(request, scope)
      } catch (error) {
        return failed(scope, error)
      }
      if (!isPromise(result)) return finished(request, scope, result)
      return result.then(
        value => finished(request, scope, value),
        error => failed(scope, error),
      )
    }
  }
}

/** Calls a handler with what is made for it. */
function beginning(answer: (...args: unknown[]) => unknown, gets: readonly Get[]): (request: HostRequest, scope: Scope) => unknown {
  const wait = async (request: HostRequest, found: readonly unknown[]) => answer(request, ...(await together(found)))
  const [first, second] = gets as [Get, Get]
  if (gets.length === 1) {
    return (request, scope) => {
      const a = first(scope)
      return a instanceof Promise ? wait(request, [a]) : answer(request, a)
    }
  }
  if (gets.length === 2) {
    return (request, scope) => {
      const a = first(scope)
      const b = second(scope)
      return a instanceof Promise || b instanceof Promise ? wait(request, [a, b]) : answer(request, a, b)
    }
  }
  return (request, scope) => {
    const found = gets.map(get => get(scope))
    return found.some(value => value instanceof Promise) ? wait(request, found) : answer(request, ...found)
  }
}

/** Takes back what was made by an error, and throws it. */
function failed(scope: Scope, error: unknown): Promise<never> {
  const ending = scope.end(error)
  if (!isPromise(ending)) throw error
  return ending.then(() => {
    throw error
  })
}

/** Takes back what was made, and gives the response: that of a stream first. */
function finished(request: HostRequest, scope: Scope, result: unknown): unknown {
  let response: unknown
  let isStreamed: boolean
  try {
    const { cause } = request.exchange
    if (cause !== undefined) throw unheard(cause)
    scope.refuseCutOff()
    isStreamed = isStream(result)
    response = isStreamed ? result : encoded(result)
  } catch (error) {
    discarded(result)
    return failed(scope, error)
  }
  if (isStreamed) {
    whenEnded(request, (cause, failure) => void scope.close(...failureOf(cause, failure)).catch(error => failedLate(scope, error)))
    return response
  }
  const ending = scope.finish()
  return isPromise(ending) ? ending.then(() => response) : response
}

/** Ends the source of a response that will not be sent. */
function discarded(result: unknown): void {
  try {
    discardAnswer(result)
  } catch {
    // What has no head that could be sent has no source either.
  }
}

/** What a stream has ended by, unless that is well: its source has failed, or its client did not take it. */
function failureOf(cause: Cause, failure: unknown): [error?: unknown] {
  if (failure !== undefined) return [failure]
  return cause === 'done' ? [] : [unheard(cause)]
}

/** The error of what nobody is left to hear of. */
function unheard(cause: Cause): ClientDisconnected {
  return new ClientDisconnected(`the request ended before its response was sent: ${cause}`)
}

/** Makes a response of what is sent as JSON, so that what cannot be is known before anything is kept. It is no stream. */
function encoded(result: unknown): unknown {
  if (typeof result === 'string' || result === undefined) return result
  if (typeof result === 'object' && result !== null) {
    if (result instanceof PlatformResponse || isBytes(result) || result instanceof Blob) return result
  }
  return new HostResponse(toJson(result), JSON_INIT)
}

function failedLate(scope: Scope, error: unknown): void {
  scope.container.logger.error('hostloop: what was made for a request was not taken back well after its response', error)
}

/**
 * Whether a response is sent while its source goes on.
 *
 * @throws InvalidError if it cannot be sent.
 */
function isStream(result: unknown): boolean {
  if (typeof result !== 'object' || result === null) return false
  if (!(result instanceof PlatformResponse)) return Symbol.asyncIterator in result
  const response = result as Response
  if (partsOf(response) !== undefined) return false
  const { status, headers, body, bodyUsed } = response
  if (status < 200) throw new InvalidError(`a handler returned a response of status ${status}; use 200 to 599`)
  if (bodyUsed || body?.locked) throw new InvalidError('a handler returned a response whose body was read already')
  headerLines(unframed(headers))
  return body !== null
}

/** Everything that a node needs, at once or later, directly or not. */
function reached(wiring: Wiring, node: number): number[] {
  const found = new Set<number>()
  const left = [node]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    for (const dep of wiring.node(next).deps) {
      const need = dep === null ? undefined : wiring.behind(dep < 0 ? -1 - dep : dep)
      if (need === undefined || found.has(need)) continue
      found.add(need)
      if (!livesWithApp(wiring.node(need)) || wiring.node(need).declared === null) left.push(need)
    }
  }
  return [...found]
}

/** Where the request is kept in its scope, if something needs it. */
function requestPlace(wiring: Wiring): number | undefined {
  const node = wiring.nodes.find(({ declared }) => declared?.kind === 'context' && isRequest(declared))
  return node === undefined ? undefined : wiring.places.get(node.index)
}

function isRequest({ keys }: Context): boolean {
  return keys.includes(HostRequest)
}

/** Refuses a handler that needs what comes with its scope, but the request. */
export function checkHandler(wiring: Wiring, node: number): void {
  for (const dep of reached(wiring, node)) {
    const { kind, declared, label, depth } = wiring.node(dep)
    if (kind !== 'context' || (declared?.kind === 'context' && isRequest(declared))) continue
    throw new InvalidError(
      `${wiring.name(node)} needs \`${label}\`, which is given when the scope "${wiring.scopes[depth]}" is entered; a request gives ` +
        `\`Request\` alone: provide \`${label}\` by a function of it`,
    )
  }
}
