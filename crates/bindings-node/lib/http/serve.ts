/** Serving a fetch-style application: Hono, itty-router, or a function from `Request` to `Response`. */

import { InvalidError } from '../errors'
import { type At, listenAll, resolve } from './addresses'
import type { Peer } from './exchange'
import { replaceGlobals } from './globals'
import { Server, type ServerOptions } from './server'
import { checkWorkers, type Slot, Supervisor, workerSlot } from './workers'

/** What answers requests: an application with a `fetch`, such as Hono's. */
export interface FetchApplication {
  /** `env` tells of the connection; it is what Hono gives as `c.env`. */
  fetch(request: Request, env?: ConnectionInfo): Response | Promise<Response>
}

/** What is known of the connection of a request. */
export interface ConnectionInfo {
  /** The client's address and port. Unix sockets and test clients have none. */
  readonly client: Peer | undefined
}

export interface ServeOptions extends ServerOptions, At {
  /** Whether several processes may share the port. Default: no. */
  reusePort?: boolean
  /**
   * How many processes share the port, under a supervisor that replaces one that dies. The program is run again in each of them; the
   * promise of `serve` gives a server there, and nothing in the supervisor, which exits when its workers have. SIGTERM and SIGINT drain
   * them, SIGHUP replaces them one by one. Default: 1, and no supervisor.
   */
  workers?: number
  /**
   * Whether the global `Response` and `Request` are replaced by ones that cost little, which are what they are for `instanceof` as well.
   * Default: yes.
   */
  overrideGlobals?: boolean
}

/**
 * Serves a fetch-style application.
 *
 * ```js
 * const server = await serve(app, { port: 8000 })
 * process.once('SIGTERM', () => server.drain())
 * ```
 *
 * @returns The server, which listens.
 * @throws AddressError if it cannot listen there.
 */
export async function serve(application: FetchApplication | FetchApplication['fetch'], options: ServeOptions = {}): Promise<Server> {
  const answer = fetchOf(application)
  const { overrideGlobals = true, reusePort = false, workers = 1, ...rest } = options
  checkWorkers(workers)
  const slot = workerSlot()
  if (workers > 1 && slot === undefined) return supervise(workers, options)
  if (overrideGlobals) replaceGlobals()
  const server = new Server(rest)
  server.fallback(request => answer(request as unknown as Request, new Connection(request)))
  try {
    if (slot === undefined) listenAll(server, await resolve(options), reusePort)
    else work(server, slot)
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

/** Runs the workers, and ends the process with them. */
async function supervise(workers: number, options: ServeOptions): Promise<never> {
  const supervisor = new Supervisor(workers, await resolve(options), options.logger)
  process.exit((await supervisor.run()) ? 0 : 1)
}

/** Serves a worker's place until its supervisor asks for the end. */
function work(server: Server, slot: Slot): void {
  for (const fd of slot.fds) server.listenFd(fd)
  const drain = () => void server.drain()
  const cutShort = () => void server.drain(0)
  process.once('SIGTERM', () => {
    process.on('SIGTERM', cutShort)
    drain()
  })
  slot.onOrphaned(drain)
  slot.isReady()
}

class Connection implements ConnectionInfo {
  readonly #request: { client: Peer | undefined }

  constructor(request: { client: Peer | undefined }) {
    this.#request = request
  }

  get client(): Peer | undefined {
    return this.#request.client
  }
}

function fetchOf(application: FetchApplication | FetchApplication['fetch']): FetchApplication['fetch'] {
  if (typeof application === 'function') return application
  if (typeof application?.fetch === 'function') return application.fetch.bind(application)
  throw new InvalidError('serve takes an application with a fetch method, such as Hono, or a function from Request to Response')
}
