/** How long a server waits and how much it takes, as `node:http` has it: on the server itself, times in milliseconds. */

import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

import { type Limits, readLimits, type Timeouts } from '../options'
import { checkMilliseconds, checkWhole } from './checks'
import { milliseconds, type NodeServerOptions, readSettings, seconds } from './settings'

/** What `limits` takes at most. */
const MOST_FIELDS = 24_576
const MOST_CONNECTIONS = 2 ** 32 - 1

/** What is assigned to its times and numbers is refused with an ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE if it is none. */
export abstract class Waits extends EventEmitter {
  /** Has no effect: connections serve as many requests as come. */
  maxRequestsPerSocket = 0
  protected readonly limits: Limits
  protected readonly timeouts: Timeouts
  #timeout = 0

  protected constructor(options: NodeServerOptions) {
    super()
    const { limits, timeouts } = readSettings(options)
    this.limits = limits
    this.timeouts = timeouts
  }

  /** Milliseconds without anything read or written after which a request's socket emits `timeout`; 0 is never. Default: 0. */
  get timeout(): number {
    return this.#timeout
  }

  set timeout(time: number) {
    checkMilliseconds('timeout', time)
    this.#timeout = time
  }

  /** Sets `timeout`. The callback is a listener of `timeout`. */
  setTimeout(milliseconds?: number, callback?: (socket: Socket) => void): this
  setTimeout(callback: (socket: Socket) => void): this
  setTimeout(milliseconds?: number | ((socket: Socket) => void), callback?: (socket: Socket) => void): this {
    const [time, told] = typeof milliseconds === 'function' ? [0, milliseconds] : [milliseconds ?? 0, callback]
    this.timeout = time
    if (told) this.on('timeout', told)
    return this
  }

  /** Milliseconds that an open connection may wait for its next request; 0 is without end. Default: 75,000. */
  get keepAliveTimeout(): number {
    return milliseconds(this.timeouts.keepAlive)
  }

  set keepAliveTimeout(time: number) {
    this.#wait('keepAlive', 'keepAliveTimeout', time)
  }

  /** Milliseconds that a request's head may take to come; 0 is without end. Default: 30,000. */
  get headersTimeout(): number {
    return milliseconds(this.timeouts.header)
  }

  set headersTimeout(time: number) {
    this.#wait('header', 'headersTimeout', time)
  }

  /** Milliseconds that bytes of a body may be waited for, each of which earns time; 0 is without end. Default: 30,000. */
  get requestTimeout(): number {
    return milliseconds(this.timeouts.body)
  }

  set requestTimeout(time: number) {
    this.#wait('body', 'requestTimeout', time)
  }

  /** Header fields that a request may have; more is a 431. It holds from the next `listen` on. 0 is 24,576, and null the default, 100. */
  get maxHeadersCount(): number {
    return this.limits.headerCount
  }

  set maxHeadersCount(count: number | null) {
    checkWhole('maxHeadersCount', count ?? undefined, 0, MOST_FIELDS)
    this.limits.headerCount = count === 0 ? MOST_FIELDS : (count ?? readLimits().headerCount)
  }

  /** Connections that may be open; further clients wait to be accepted. It holds from the next `listen` on. null is the default, 65,536. */
  get maxConnections(): number {
    return this.limits.connections
  }

  set maxConnections(count: number | null) {
    checkWhole('maxConnections', count ?? undefined, 1, MOST_CONNECTIONS)
    this.limits.connections = count ?? readLimits().connections
  }

  /** Has the engine wait so. */
  protected abstract retime(): void

  #wait(name: keyof Timeouts, shown: string, time: number): void {
    checkMilliseconds(shown, time)
    this.timeouts[name] = seconds(time)
    this.retime()
  }
}
