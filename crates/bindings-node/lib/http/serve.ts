/** Serving a fetch-style application: Hono, itty-router, or a function from `Request` to `Response`. */

import { InvalidError } from '../errors'
import { checkFlag, checkOptions } from '../lifecycle/options'
import { guarded } from '../logger'
import { type At, listenAll, resolve } from './addresses'
import type { Peer } from './exchange'
import { checkExitAfter, EXIT_AFTER, exitAfter } from './exit'
import { replaceGlobals } from './globals'
import { readLimits, readTimeouts } from './options'
import { SERVER_OPTIONS, type ServerOptions } from './engine'
import { Server } from './server'
import { type Slot, takeSlot } from './slot'

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
   * them, SIGHUP replaces them one by one. One `serve` of a program may have workers. Default: 1, and no supervisor.
   */
  workers?: number
  /** Seconds after which a worker that has been drained is ended if something still keeps it alive. `null` leaves it alone. Default: 5. */
  exitAfter?: number | null
  /**
   * Whether the global `Response` and `Request` are replaced by ones that cost little, which are what they are for `instanceof` as well.
   * Default: yes.
   */
  overrideGlobals?: boolean
}

const OPTIONS = ['port', 'host', 'path', ...SERVER_OPTIONS, 'reusePort', 'workers', 'exitAfter', 'overrideGlobals']

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
  const { limits, timeouts, accessLog, logger = console, overrideGlobals = true, reusePort = false, workers = 1 } = readOptions(options)
  const slot = takeSlot(workers)
  if (workers > 1 && slot === undefined) return supervise(workers, options)
  if (overrideGlobals) replaceGlobals()
  const server = new Server({ logger, ...given({ limits, timeouts, accessLog }) })
  server.fallback(request => answer(request as unknown as Request, new Connection(request)))
  try {
    if (slot === undefined) listenAll(server, await resolve(options), reusePort)
    else work(server, slot, options)
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

/** Runs the workers, and ends the process with them. */
async function supervise(workers: number, options: ServeOptions): Promise<never> {
  const { Supervisor } = await import('./supervisor.js')
  const supervisor = new Supervisor(workers, await resolve(options), options.logger)
  process.exit((await supervisor.run()) ? 0 : 1)
}

/** Serves a worker's place until its supervisor asks for the end. */
function work(server: Server, slot: Slot, { exitAfter: seconds = EXIT_AFTER, logger = console }: ServeOptions): void {
  for (const fd of slot.fds) server.listenFd(fd)
  const drain = () => {
    slot.isDraining()
    void server.drain().then(() => exitAfter(seconds, guarded(logger)))
  }
  const cutShort = () => void server.drain(0)
  process.once('SIGTERM', () => {
    process.on('SIGTERM', cutShort)
    drain()
  })
  slot.onOrphaned(drain)
  slot.isReady()
}

/** Refuses what cannot be kept, before a worker is started that would refuse it. */
function readOptions(options: ServeOptions): ServeOptions {
  checkOptions('serve', options, OPTIONS)
  const { limits, timeouts, accessLog, overrideGlobals, reusePort, exitAfter: seconds } = options
  readLimits(limits)
  readTimeouts(timeouts)
  checkFlag('accessLog', accessLog)
  checkFlag('overrideGlobals', overrideGlobals)
  checkFlag('reusePort', reusePort)
  checkExitAfter(seconds)
  return options
}

function given(options: { [Name in keyof ServerOptions]: ServerOptions[Name] | undefined }): ServerOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
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
