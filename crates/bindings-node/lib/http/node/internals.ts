/** What `node:http` does not write down and a stand-in for its socket needs. All of it is named here. */

import { type IncomingMessage, OutgoingMessage, type ServerResponse } from 'node:http'

import type { Socket } from './socket'

export type Callback = (error?: Error | null) => void

/** A `ServerResponse` from the inside. */
export interface Reply extends Omit<ServerResponse, 'socket' | 'req'> {
  req: Message
  socket: Socket | null
  /** The head's text. Anything says that the head is settled. */
  _header: string | null
  /** Bytes of the body: what `end` was given, or what the head says. */
  _contentLength: number | null
  /** What `addTrailers` was given, as it would be written. */
  _trailer: string
  /** Whether this response may have a body: not to HEAD, not with a 204 or 304. */
  _hasBody: boolean
  /** Whether `close` was emitted. */
  _closed: boolean
  /** How many events are listened to. */
  _eventsCount: number
  /** Settles the head. */
  _storeHeader(firstLine: string, headers: unknown): void
  /** Writes a piece of the body. The last comes from `end`, is empty, and its callback emits `finish`. */
  _send(data: string | Uint8Array, encoding?: BufferEncoding | null, callback?: Callback | null): boolean
  /** Writes an informational response. */
  _writeRaw(data: string, encoding?: BufferEncoding | Callback | null, callback?: Callback | null): boolean
  /** Is called by `end`, last. */
  _finish(): void
  [kOutHeaders]: OutHeaders | null
  [kNeedDrain]: boolean
}

/** An `IncomingMessage` from the inside. Its `_read` resumes its socket. */
export interface Message extends Omit<IncomingMessage, 'socket'> {
  socket: Socket
  joinDuplicateHeaders: boolean
  /** Whether somebody has read from it. */
  _consuming: boolean
  _dumped: boolean
  _eventsCount: number
  _readableState: { pipes: unknown[]; readableListening: boolean; closed: boolean; ended: boolean; endEmitted: boolean }
  _addHeaderLines(lines: string[], count: number): void
  /** Reads what is left, for nobody. */
  _dump(): void
}

/** Header fields as `setHeader` keeps them: the name in lower case, to the name as given and the value. */
export type OutHeaders = Record<string, [name: string, value: unknown]>

const symbols = Object.getOwnPropertySymbols(Reflect.construct(OutgoingMessage, []) as object)

function find(description: string): symbol {
  const found = symbols.find(symbol => symbol.description === description)
  if (found === undefined)
    throw new Error(`createServer cannot stand in for node:http in Node ${process.version}: its responses have no ${description}`)
  return found
}

/** Where a response keeps its header fields. */
export const kOutHeaders: unique symbol = find('kOutHeaders') as never
/** Whether a `write` has said that there is no room. */
export const kNeedDrain: unique symbol = find('kNeedDrain') as never
