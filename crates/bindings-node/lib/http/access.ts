/** The access log: a line for each response, and a message at a diagnostics channel. */

import { channel } from 'node:diagnostics_channel'

import type { Logger } from '../logger'

/** What is published at `hostloop:access`. */
export interface Access {
  /** The client's address and port; empty for unix sockets and connections in memory. */
  client: string
  /** The request line's parts; empty for what was refused before it could be read. */
  method: string
  target: string
  version: string
  /** Nothing if the client left before it was sent. */
  status: number | undefined
  /** Bytes of the response's body. */
  bytes: number
  milliseconds: number
}

const accesses = channel('hostloop:access')

/** Whether somebody wants to be told of responses. */
export function isAccessWatched(): boolean {
  return accesses.hasSubscribers
}

/** Tells of a response, from the lines that the native layer gives: those of `Access` in turn. Without a logger only who watches is told. */
export function tellAccess(lines: string, logger: Logger | undefined): void {
  const [client = '', method = '', target = '', version = '', status = '', bytes = '', milliseconds = ''] = lines.split('\n')
  const access: Access = {
    client,
    method,
    target,
    version,
    status: status === '' ? undefined : Number(status),
    bytes: Number(bytes),
    milliseconds: Number(milliseconds),
  }
  if (accesses.hasSubscribers) accesses.publish(access)
  logger?.info(`${client || '-'} "${method} ${target} ${version}" ${status || '-'} ${bytes} ${access.milliseconds.toFixed(1)}ms`)
}
