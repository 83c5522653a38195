/** The application: what users write. */

import { CLOSED, type GateOptions, ServerGate } from './app/gate'
import { Routed } from './app/routed'
import { TestClient } from './app/testing'
import { InvalidError, StoppedError } from './errors'
import { type At, listenAll, resolve } from './http/addresses'
import { checkExitAfter, EXIT_AFTER, exitAfter as endProcess } from './http/exit'
import { type Limits, readLimits, readTimeouts, type Timeouts } from './http/options'
import type { Server } from './http/server'
import { type Slot, takeSlot } from './http/slot'
import type { Gate } from './lifecycle/activities'
import type { AssemblyOptions, Outside } from './lifecycle/assembly'
import type { Container } from './lifecycle/container'
import { checkFlag, checkObject, checkOptions } from './lifecycle/options'
import { readReloads, type Reloads } from './lifecycle/watch'

/** The settings of an application. */
export interface AppOptions extends AssemblyOptions {
  /** How much a request may be. */
  limits?: Partial<Limits>
  /** How long the server waits. Times are seconds. */
  timeouts?: Partial<Timeouts>
  /** Whether each response is logged. Default: no. */
  accessLog?: boolean
  /**
   * Whether the global `Response` and `Request` are replaced by ones that cost little, which are what they are for `instanceof` as well, when
   * it begins to serve. Default: yes.
   */
  overrideGlobals?: boolean
}

/** Where an application listens, and what it heeds. */
export interface StartOptions extends At {
  /** Paths whose change makes everything anew, or keys with the paths whose change makes them anew: `[[Settings, ['settings.toml']]]`. */
  reload?: Reloads
}

/** The options of `run`. */
export interface RunOptions extends StartOptions {
  /**
   * How many processes share the port, under a supervisor that replaces one that dies. The program is run again in each of them, and `run`
   * ends in the supervisor when they have. SIGTERM and SIGINT stop them, SIGHUP replaces them one by one. Default: 1, and no supervisor.
   */
  workers?: number
  /**
   * Seconds after which a process that a signal has stopped is ended if something still keeps it alive. `null` leaves it alone. Default: 5.
   */
  exitAfter?: number | null
}

const START_OPTIONS = ['port', 'host', 'path', 'reload']
const OPTIONS = ['scopes', 'lifetimes', 'logger', 'limits', 'timeouts', 'accessLog', 'overrideGlobals']

/**
 * An application: what it is made of, and the requests that it answers.
 *
 * ```js
 * import { App } from 'hostloop'
 *
 * class Greeter {
 *   greet(name) {
 *     return `Hello, ${name}.`
 *   }
 * }
 *
 * const app = new App()
 * app.provide(Greeter)
 * app.get('/hello/{name}', [Greeter], (request, greeter) => greeter.greet(request.params.name))
 * await app.run({ port: 8000 })
 * ```
 *
 * Every word by which it is declared returns the application.
 */
export class App extends Routed {
  readonly limits: Limits
  readonly timeouts: Timeouts
  private readonly serving: GateOptions
  private gate: Gate = CLOSED

  constructor(options: AppOptions = {}) {
    checkOptions('App', options, OPTIONS, 'logger')
    super(options)
    const { limits = {}, timeouts = {}, accessLog = false, logger, overrideGlobals = true } = options
    checkFlag('accessLog', accessLog)
    checkFlag('overrideGlobals', overrideGlobals)
    this.limits = readLimits(limits)
    this.timeouts = readTimeouts(timeouts)
    const { limits: readable, timeouts: waits } = this
    this.serving = { limits: readable, timeouts: waits, accessLog, overrideGlobals, ...(logger === undefined ? {} : { logger }) }
  }

  protected get drainTimeout(): number | null {
    return this.timeouts.drain
  }

  // Serving.

  /** Where it listens: `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/app.sock`. */
  get addresses(): readonly string[] {
    return this.container !== undefined && this.gate instanceof ServerGate ? (this.gate.server?.addresses ?? []) : []
  }

  /** The first of them as a URL. */
  get url(): string {
    const first = this.addresses[0]
    if (first === undefined) throw new InvalidError('the application does not listen; start it with a port')
    return first.startsWith('unix:') ? first : `http://${first}`
  }

  /**
   * Starts everything, and listens if `port`, `host` or `path` is given. Goes on when everything is up.
   *
   * @throws WiringError for what does not fit together, and what has failed: all that was done is undone then.
   */
  async start(options: StartOptions = {}): Promise<this> {
    checkObject('start', options, '{ port: 3000 }')
    checkOptions('start', options, START_OPTIONS)
    const { reload: reloads, ...at } = options
    const reload = readReloads(reloads)
    const isServing = Object.values(at).some(value => value !== undefined)
    await this.live(isServing ? await this.listening(at) : CLOSED, { reload })
    return this
  }

  /**
   * Starts everything and serves until SIGINT, SIGTERM or `stop`; then drains, and stops everything. An application without routes does
   * without HTTP, unless it is told where to listen.
   *
   * A second signal cuts the stop short, a third ends the process at once. Handlers of signals are removed afterwards. The process's exit code
   * is what `stop` was given.
   *
   * @throws What has failed: one alone as it is, several as a `LifecycleError`.
   */
  async run(options: RunOptions = {}): Promise<void> {
    checkObject('run', options, '{ port: 3000 }')
    checkOptions('run', options, [...START_OPTIONS, 'workers', 'exitAfter'])
    const { reload: reloads, exitAfter = EXIT_AFTER, workers = 1, ...at } = options
    const reload = readReloads(reloads)
    checkExitAfter(exitAfter)
    const slot = takeSlot(workers)
    if (workers > 1 && slot === undefined) return this.supervise(workers, at)
    const isServing = this.routes.length > 0 || Object.values(at).some(value => value !== undefined)
    const gate = slot !== undefined ? this.inherited(slot) : isServing ? await this.listening(at) : CLOSED
    let isSignalled = false
    const onSignal = () => void (isSignalled = true)
    try {
      const container = await this.live(gate, { reload, onSignal, slot })
      await container.down()
      endWith(container.exitCode)
    } catch (error) {
      if (!(error instanceof StoppedError)) throw error
      endWith(error.exitCode)
    } finally {
      if (isSignalled) endProcess(exitAfter, this.logger)
    }
  }

  /**
   * Starts everything without listening, for requests through memory.
   *
   * ```js
   * const client = await app.test()
   * assert.equal((await client.get('/')).status, 200)
   * await client.close()
   * ```
   */
  async test(): Promise<TestClient> {
    const gate = this.serverGate(() => {})
    await this.live(gate)
    return new TestClient(gate.server!, () => this.stop())
  }

  private async listening(at: At): Promise<ServerGate> {
    const addresses = await resolve(at)
    return this.serverGate(server => listenAll(server, addresses))
  }

  /** Takes the requests of a worker's place. */
  private inherited(slot: Slot): ServerGate {
    const open = (server: Server) => {
      for (const fd of slot.fds) server.listenFd(fd)
      // Listening is the last step of the start; a client may be answered from now on.
      slot.isReady()
    }
    return this.serverGate(open, () => slot.isDraining())
  }

  private serverGate(open: (server: Server) => unknown, closing?: () => void): ServerGate {
    return new ServerGate(this.routes, this.serving, open, closing)
  }

  private async supervise(workers: number, at: At): Promise<void> {
    checkProgram()
    this.check()
    const { Supervisor } = await import('./http/supervisor.js')
    const supervisor = new Supervisor(workers, await resolve(at), this.logger)
    if (!(await supervisor.run())) process.exitCode = 1
  }

  private live(gate: Gate, outside?: Outside): Promise<Container> {
    this.refuseSecond()
    this.gate = gate
    return this.begin(gate, outside)
  }
}

/** Says what the process ends with, unless that is as it would be. */
function endWith(code: number): void {
  if (code !== 0) process.exitCode = code
}

/** Refuses a program that no other process could run. */
function checkProgram(): void {
  const [, program] = process.argv
  const isText = process.execArgv.some(argument => /^(-e|-p|-pe|--eval|--print)(=|$)/.test(argument))
  if (isText || program === undefined || program === '-')
    throw new InvalidError('workers needs a program in a file, which is run again in each of them; this one was given as a text')
}
