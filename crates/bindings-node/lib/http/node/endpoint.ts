/** What a socket tells of its connection, and what the engine sees to by itself. */

import type { Exchange } from '../exchange'
import { Output } from './output'
import type { NodeServer } from './server'

export abstract class Endpoint extends Output {
  readable = true
  writable = true
  destroyed = false
  readonly connecting = false
  readonly pending = false

  constructor(
    exchange: Exchange,
    readonly server: NodeServer,
  ) {
    super(exchange, server.highWaterMark)
  }

  // Where it leads.

  get remoteAddress(): string | undefined {
    return this.exchange.peer?.address
  }

  get remotePort(): number | undefined {
    return this.exchange.peer?.port
  }

  get remoteFamily(): string | undefined {
    const { remoteAddress } = this
    return remoteAddress && (remoteAddress.includes(':') ? 'IPv6' : 'IPv4')
  }

  /** Nothing where the server listens at all addresses of the machine: the engine does not say which was asked. */
  get localAddress(): string | undefined {
    return this.server.local.address
  }

  get localPort(): number | undefined {
    return this.server.local.port
  }

  get localFamily(): string | undefined {
    return this.server.local.family
  }

  address(): object {
    const { localAddress: address, localPort: port, localFamily: family } = this
    return address === undefined ? {} : { address, port, family }
  }

  get readyState(): string {
    return this.destroyed ? 'closed' : 'open'
  }

  get readableHighWaterMark(): number {
    return this.writableHighWaterMark
  }

  // What the engine sees to.

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  pause(): this {
    return this
  }
}
