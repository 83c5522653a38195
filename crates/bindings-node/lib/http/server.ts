/** An HTTP server for handlers: its routes, and the requests that are under way. */

import { describe } from '../describe'
import { HTTPError, InvalidError } from '../errors'
import { isPromise } from '../lifecycle/held'
import { answer, discardAnswer, fail, giveUp, isMoot } from './answer'
import { HttpEngine, type ServerOptions } from './engine'
import type { Exchange } from './exchange'
import { Clients } from './memory'
import { parameterNames } from './path'
import { loadPlatform } from './platform'
import { HostRequest } from './request'

/** Answers a request. What it returns, or its promise gives, is the response. */
export type Handler = (request: HostRequest) => unknown

/** Serves routes in the event loop of the thread that makes it. It keeps the process alive as long as it listens. */
export class Server extends HttpEngine {
  readonly #clients: Clients

  constructor(options: ServerOptions = {}) {
    super(options)
    this.#clients = new Clients(this.host, this.events.receivers, () => this.rest())
  }

  /**
   * Adds a route. `/links/{code}` matches one segment, `/files/{rest:path}` takes the remainder of the path.
   *
   * @throws ConflictError if the route exists, InvalidError if the path cannot be read, or told from another.
   */
  route(method: string, path: string, handler: Handler): void {
    if (typeof method !== 'string') throw new InvalidError(`a route's method is ${describe(method)}; give a text such as 'GET'`)
    const where = `route ${method} ${String(path)}`
    checkHandler(where, handler)
    const names = parameterNames(path, where)
    this.#handle(start => this.host.route(method, path, start), handler, names)
  }

  /** Has a handler answer every request that no route is for, whatever its method. */
  fallback(handler: Handler): void {
    checkHandler('fallback', handler)
    this.#handle(start => this.host.fallback(start), handler, NO_NAMES)
  }

  /** Makes a request through memory: through the whole server, parsing included, without a socket. */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    return this.#clients.fetch(input, init)
  }

  protected override get isBusy(): boolean {
    return this.#clients.isBusy
  }

  protected override draining(): void {
    this.#clients.close()
  }

  #handle(tell: (token: number) => void, handler: Handler, names: readonly string[]): void {
    loadPlatform()
    this.add(tell, exchange => this.#call(handler, exchange, names))
  }

  #call(handler: Handler, exchange: Exchange, names: readonly string[]): void {
    try {
      const result = handler(new HostRequest(exchange, names))
      if (isPromise(result)) {
        // What is no true promise may settle twice.
        Promise.resolve(result).then(
          value => this.#answer(exchange, value),
          error => this.#fail(exchange, error),
        )
      } else this.#answer(exchange, result)
    } catch (error) {
      this.#fail(exchange, error)
    }
  }

  #answer(exchange: Exchange, value: unknown): void {
    // The request may have ended meanwhile: a timeout has answered it, or its client has left.
    if (exchange.isOver) return discardAnswer(value)
    try {
      const sending = answer(exchange, value)
      if (sending !== undefined) sending.catch(error => this.#fail(exchange, error))
    } catch (error) {
      discardAnswer(value)
      this.#fail(exchange, error)
    }
  }

  #fail(exchange: Exchange, error: unknown): void {
    if (isMoot(exchange, error)) return
    exchange.failure = error
    try {
      fail(exchange, error)
    } catch (failed) {
      giveUp(exchange)
      this.logger.error(`hostloop: ${exchange.method} ${exchange.target}: an error could not be answered`, failed)
    }
    this.#tell(exchange, error)
  }

  /** Logs what a handler threw, unless it says no more than the client has been told. */
  #tell({ method, target }: Exchange, error: unknown): void {
    const place = `hostloop: ${method} ${target}`
    if (!(error instanceof HTTPError)) this.logger.error(`${place}: the handler threw`, error)
    else if (error.status >= 500) this.logger.error(`${place}: answered with ${error.status}`, error)
    else if (error.cause !== undefined) this.logger.warn(`${place}: answered with ${error.status}`, error)
  }
}

const NO_NAMES: readonly string[] = []

function checkHandler(where: string, handler: unknown): void {
  if (typeof handler !== 'function') throw new InvalidError(`${where} is given ${describe(handler)}; give a function`)
}
