/** How long a server waits and how much it takes, as `node:http` has it: on the server itself, times in milliseconds. */

import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

import type { Limits, Timeouts } from '../options'
import { type NodeServerOptions, readSettings } from './settings'

export abstract class Waits extends EventEmitter {
  /** Milliseconds without anything read or written after which a request's socket emits `timeout`; 0 is never. Default: 0. */
  timeout = 0
  /** Has no effect: connections serve as many requests as come. */
  maxRequestsPerSocket = 0
  protected readonly limits: Limits
  protected readonly timeouts: Timeouts

  protected constructor(options: NodeServerOptions) {
    super()
    const { limits, timeouts } = readSettings(options)
    this.limits = limits
    this.timeouts = timeouts
  }

  /** Sets `timeout`. The callback is a listener of `timeout`. */
  setTimeout(milliseconds?: number, callback?: (socket: Socket) => void): this
  setTimeout(callback: (socket: Socket) => void): this
  setTimeout(milliseconds?: number | ((socket: Socket) => void), callback?: (socket: Socket) => void): this {
    const [time, told] = typeof milliseconds === 'function' ? [0, milliseconds] : [milliseconds ?? 0, callback]
    this.timeout = time
    if (told !== undefined) this.on('timeout', told)
    return this
  }

  /** Milliseconds that an open connection may wait for its next request; 0 is without end. Default: 75,000. */
  get keepAliveTimeout(): number {
    return milliseconds(this.timeouts.keepAlive)
  }

  set keepAliveTimeout(time: number) {
    this.wait('keepAlive', time)
  }

  /** Milliseconds that a request's head may take to come; 0 is without end. Default: 30,000. */
  get headersTimeout(): number {
    return milliseconds(this.timeouts.header)
  }

  set headersTimeout(time: number) {
    this.wait('header', time)
  }

  /** Milliseconds that bytes of a body may be waited for, each of which earns time; 0 is without end. Default: 30,000. */
  get requestTimeout(): number {
    return milliseconds(this.timeouts.body)
  }

  set requestTimeout(time: number) {
    this.wait('body', time)
  }

  /** Header fields that a request may have; more is a 431. It holds from the next `listen` on. Default: 100. */
  get maxHeadersCount(): number {
    return this.limits.headerCount
  }

  set maxHeadersCount(count: number | null) {
    if (count) this.limits.headerCount = count
  }

  /** Connections that may be open; further clients wait to be accepted. It holds from the next `listen` on. Default: 65,536. */
  get maxConnections(): number {
    return this.limits.connections
  }

  set maxConnections(count: number) {
    this.limits.connections = count
  }

  /** Has the engine wait so. */
  protected abstract retime(): void

  private wait(name: keyof Timeouts, time: number): void {
    this.timeouts[name] = time > 0 ? time / 1000 : null
    this.retime()
  }
}

function milliseconds(seconds: number | null): number {
  return seconds === null ? 0 : seconds * 1000
}
