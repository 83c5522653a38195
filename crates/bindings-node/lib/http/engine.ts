/** An engine with one HTTP server, in Node's own event loop: where it listens, how long it lives, and who is given its requests. */

import { describe } from '../describe'
import { ClosedError, InvalidError } from '../errors'
import { typed } from '../typed'
import { checkFlag, checkOptions } from '../lifecycle/options'
import { guarded, type Logger } from '../logger'
import { Host, type NativeHost } from '../native'
import { isAccessWatched, tellAccess } from './access'
import { EngineEvents, type Start } from './events'
import { finite, type Limits, readLimits, readTimeouts, type Timeouts } from './options'

export type { Logger }

export interface ServerOptions {
  limits?: Partial<Limits>
  timeouts?: Partial<Timeouts>
  /**
   * Whether each response is logged, and published at the diagnostics channel `hostloop:access`. If something has subscribed to that before
   * the server is made, responses are published in any case. Default: no.
   */
  accessLog?: boolean
  /** Where errors of handlers and access lines go. Default: `console`. */
  logger?: Logger
}

/** The options' names. */
export const SERVER_OPTIONS = ['limits', 'timeouts', 'accessLog', 'logger'] as const

/** Whether a thread wakes the loop, as where the loop cannot watch the engine's descriptor. For trying that out. */
const WITH_THREAD = process.env['HOSTLOOP_DOORBELL'] === '1'

/** Listens in the event loop of the thread that makes it. It keeps the process alive as long as it listens. */
export class HttpEngine {
  /** Where it listens: `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/app.sock`. */
  readonly addresses: string[] = []
  protected readonly host: NativeHost
  protected readonly events: EngineEvents
  protected readonly logger: Logger
  readonly #ended: Promise<void>
  #timeouts: Timeouts
  #end!: () => void
  #isDraining = false
  #isClosed = false

  /** @internal */
  constructor(options: ServerOptions = {}) {
    checkOptions('Server', options, SERVER_OPTIONS)
    const { limits, timeouts, accessLog = false, logger = console } = options
    checkFlag('accessLog', accessLog)
    const safe = (this.logger = guarded(logger))
    this.#ended = new Promise(resolve => (this.#end = resolve))
    this.events = new EngineEvents({
      accessed: lines => tellAccess(lines, accessLog ? safe : undefined),
      idle: () => this.rest(),
      drained: () => this.#closeHost(),
      shutDown: () => {
        this.#isClosed = true
        this.#end()
      },
    })
    this.#timeouts = readTimeouts(timeouts)
    const settings = [readLimits(limits), finite(this.#timeouts), accessLog || isAccessWatched()] as const
    this.host = typed(() => new Host(this.events.onBatch, this.events.records, ...settings, WITH_THREAD))
    this.events.attach(this.host)
  }

  /** The first address as a URL. */
  get url(): string {
    const first = this.addresses[0]
    if (first === undefined) throw new ClosedError('the server does not listen; call listen first')
    return first.startsWith('unix:') ? first : `http://${first}`
  }

  /** How many connections are open, and how many requests under way. */
  get status(): { connections: number; requests: number } {
    const [connections, requests] = typed(() => this.host.status())
    return { connections, requests }
  }

  /** @internal Has every request that no route is for given as it is. */
  take(start: Start): void {
    this.add(token => this.host.fallback(token), start)
  }

  /**
   * Starts to listen on an address, and returns it as it was bound: port 0 takes any free port.
   *
   * @param address `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/app.sock`.
   * @param options `reusePort`: whether several processes may share a TCP port. Default: no.
   * @throws AddressError if it is in use, not this machine's, or not allowed.
   */
  listen(address: string, options: { reusePort?: boolean } = {}): string {
    if (typeof address !== 'string') throw new InvalidError(`listen is given ${describe(address)}; give a text such as '127.0.0.1:8000'`)
    checkOptions('listen', options, ['reusePort'])
    const { reusePort = false } = options
    checkFlag('listen: reusePort', reusePort)
    return this.#listening(typed(() => this.host.listen(address, reusePort)))
  }

  /** Starts to accept on a descriptor that listens already, such as one that a supervisor has opened. The server owns it from now on. */
  listenFd(fd: number): string {
    if (!Number.isInteger(fd) || fd < 0 || fd >= 2 ** 31)
      throw new InvalidError(`listenFd is given ${describe(fd)}; give the number of a descriptor that listens`)
    return this.#listening(typed(() => this.host.listenFd(fd)))
  }

  #listening(bound: string): string {
    this.addresses.push(bound)
    this.host.keepAlive(true)
    return bound
  }

  /** Says whether listening keeps the process alive. Default: yes. */
  keepAlive(keep: boolean): void {
    if (typeof keep !== 'boolean') throw new InvalidError(`keepAlive is given ${describe(keep)}; use true or false`)
    this.host.keepAlive(keep)
  }

  /** @internal Changes how long it waits. What has begun may wait as it did. */
  retime(timeouts: Timeouts): void {
    this.#timeouts = readTimeouts(timeouts)
    if (!this.#isClosed) typed(() => this.host.wait(finite(this.#timeouts)))
  }

  /** @internal Closes all connections, or those that wait for a request. */
  disconnect(onlyIdle: boolean): void {
    if (!this.#isClosed) typed(() => this.host.disconnect(onlyIdle))
  }

  /**
   * Stops accepting, closes idle connections, and ends when each request has been answered.
   *
   * @param timeout Seconds after which what is left is cut short; `null` waits without end. Default: `timeouts.drain`. A second call can only
   *   bring it forward.
   */
  async drain(timeout: number | null = this.#timeouts.drain): Promise<void> {
    checkTime('drain', timeout)
    if (!this.#isClosed) {
      this.#isDraining = true
      this.host.keepAlive(true)
      this.draining()
      typed(() => this.host.drain(timeout))
    }
    await this.#ended
  }

  /** Ends everything now. Requests that are not answered lose their connections. */
  async close(): Promise<void> {
    this.#closeHost()
    await this.#ended
  }

  #closeHost(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.host.keepAlive(true)
    typed(() => this.host.close())
  }

  /** Lets the process end once nothing listens, no request is under way, and what has left has come to its client. */
  protected rest(): void {
    if (!this.#isIdle) return
    setImmediate(() => {
      if (this.#isIdle) this.host.keepAlive(false)
    })
  }

  get #isIdle(): boolean {
    return this.addresses.length === 0 && !this.isBusy && this.events.underWay === 0 && !this.#isDraining && !this.#isClosed
  }

  protected add(tell: (token: number) => void, start: Start): void {
    typed(() => tell(this.events.starts.length))
    this.events.starts.push(start)
  }

  /** Whether something besides requests of sockets is under way. */
  protected get isBusy(): boolean {
    return false
  }

  /** It begins to drain. */
  protected draining(): void {}
}

function checkTime(where: string, time: number | null): void {
  if (time === null || (typeof time === 'number' && time >= 0 && time < 1e9)) return
  throw new InvalidError(`${where} is given ${describe(time)}; use seconds from 0 on, or null to wait without end`)
}
