/** What takes an application's requests: an HTTP server for each life. */

import { replaceGlobals } from '../http/globals'
import type { ServerOptions } from '../http/engine'
import { Server } from '../http/server'
import type { Gate } from '../lifecycle/activities'
import type { Container } from '../lifecycle/container'
import type { Handler } from '../lifecycle/declared'
import { type Answer, BoundHandler } from './bound'

/** A route as it was declared. */
export interface Route {
  readonly method: string
  readonly path: string
  readonly answer: Answer
  readonly declared: Handler
}

/** How an application serves. */
export interface GateOptions extends ServerOptions {
  readonly overrideGlobals: boolean
}

/** Takes no requests. */
export const CLOSED: Gate = { listen: () => {}, drain: async () => {}, cutShort: () => {}, swap: () => {} }

/** A server that opens when everything else is up. */
export class ServerGate implements Gate {
  #server: Server | undefined
  #bound: BoundHandler[] = []

  constructor(
    private readonly routes: readonly Route[],
    private readonly options: GateOptions,
    /** Has the server listen. */
    private readonly open: (server: Server) => unknown,
    /** Is told when it stops accepting. */
    private readonly closing: () => void = () => {},
  ) {}

  /** The server, once it takes requests. */
  get server(): Server | undefined {
    return this.#server
  }

  async listen(container: Container): Promise<void> {
    const { overrideGlobals, ...options } = this.options
    if (overrideGlobals) replaceGlobals()
    const server = new Server(options)
    try {
      for (const { method, path, answer, declared } of this.routes) {
        const bound = new BoundHandler(container, container.wiring.numbers.get(declared)!, answer)
        this.#bound.push(bound)
        server.route(method, path, bound.respond)
      }
      await this.open(server)
    } catch (error) {
      await server.close()
      throw error
    }
    this.#server = server
  }

  async drain(timeout: number | null): Promise<void> {
    this.closing()
    await this.#server?.drain(timeout)
  }

  cutShort(): void {
    void this.#server?.close()
  }

  swap(): void {
    for (const bound of this.#bound) bound.rebind()
  }
}
