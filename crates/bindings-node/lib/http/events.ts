/**
 * What the engine tells: once a turn, records of numbers in an array that both sides see, and the text they point into.
 *
 * The fields of a record stand at `src/batch.rs` of the native layer.
 */

import type { NativeHost, OnBatch, Respond } from '../native'
import { CAUSES, type Engine, Exchange } from './exchange'
import type { Receiver } from './memory'
import { rethrow } from './rethrow'

/** Takes an exchange and answers it; never throws. */
export type Start = (exchange: Exchange) => void

/** What is told besides requests and their ends. */
export interface Told {
  /** A response has left. */
  accessed(lines: string): void
  /** The last request under way has ended. */
  idle(): void
  /** The server's last connection has ended, after it had begun to drain. */
  drained(): void
  /** The engine is gone. */
  shutDown(): void
}

/** Records that fit in the array, and numbers in a record. The native layer has the same. */
const RECORDS = 256
const FIELDS = 9

const REQUEST = 1
const DATA = 2
const END = 3
const ABORTED = 4
const WRITTEN = 5
const CLOSED = 6
const RECEIVED = 7
const ACCESS = 8
const WRITABLE = 10

/** What a handle is of, in the upper byte of its upper half. */
const KIND_SERVER = 3
const KIND_CLIENT = 5
const KIND_REQUEST = 6

/** Hands events to those whom they concern. */
export class EngineEvents implements Engine {
  readonly records = new Uint32Array(new ArrayBuffer(RECORDS * FIELDS * 4))
  /** What begins the answer to a request, by its route's token. */
  readonly starts: Start[] = []
  /** Ends of connections in memory, by their token. */
  readonly receivers = new Map<number, Receiver>()
  readonly onBatch: OnBatch = (count, text, buffers) => this.#onBatch(count, text, buffers)
  /** How many requests are under way. */
  underWay = 0
  /** Whether the last turn told of one thing alone. */
  isQuiet = false
  host!: NativeHost
  respond!: Respond
  readonly #told: Told
  /** Requests under way, by the lower half of their handle. */
  readonly #exchanges: (Exchange | undefined)[] = []

  constructor(told: Told) {
    this.#told = told
  }

  /** Says whose events they are, before the first. */
  attach(host: NativeHost): void {
    this.host = host
    this.respond = host.respondFunction()
  }

  #onBatch(count: number, text: string, buffers: Buffer[] | undefined): void {
    const { records } = this
    this.isQuiet = count === 1
    let used = 0
    for (let at = 0; at < count * FIELDS; at += FIELDS) {
      const code = records[at]!
      try {
        if (code === REQUEST) this.#begin(records, at, text)
        else {
          const bytes = code === DATA || code === RECEIVED ? buffers![used++]! : undefined
          this.#tell(code, records, at, text, bytes)
        }
      } catch (error) {
        // The records behind it are of others.
        rethrow(error)
      }
    }
  }

  #begin(records: Uint32Array, at: number, text: string): void {
    const low = records[at + 2]!
    const exchange = new Exchange(
      this,
      low,
      records[at + 3]!,
      text,
      records[at + 4]!,
      records[at + 5]!,
      records[at + 6]!,
      records[at + 7]!,
      records[at + 8]!,
    )
    this.#exchanges[low] = exchange
    this.underWay += 1
    exchange.runInAsyncScope(this.starts[records[at + 1]!]!, undefined, exchange)
  }

  #tell(code: number, records: Uint32Array, at: number, text: string, bytes: Buffer | undefined): void {
    const token = records[at + 1]!
    const low = records[at + 2]!
    switch (code) {
      case DATA:
        return this.#exchanges[low]?.arrived(bytes!)
      case END:
        return this.#exchanges[low]?.arrived(null)
      case ABORTED:
        return this.#exchanges[low]?.aborted()
      case WRITTEN:
        return this.#exchanges[low]?.written()
      case RECEIVED:
        return this.receivers.get(token)?.received(bytes!)
      case WRITABLE:
        return this.receivers.get(token)?.hasRoom()
      case CLOSED:
        return this.#closed(records[at + 3]! >>> 24, token, low, records[at + 4]!)
      case ACCESS:
        return this.#told.accessed(text.slice(records[at + 4]!, records[at + 5]!))
      default:
        return this.#told.shutDown()
    }
  }

  #closed(kind: number, token: number, low: number, cause: number): void {
    if (kind === KIND_REQUEST) {
      const exchange = this.#exchanges[low]
      if (exchange === undefined) return
      this.#exchanges[low] = undefined
      this.underWay -= 1
      exchange.ended(CAUSES[cause]!)
      if (this.underWay === 0) this.#told.idle()
    } else if (kind === KIND_CLIENT) {
      this.receivers.get(token)?.ended()
      this.receivers.delete(token)
    } else if (kind === KIND_SERVER) this.#told.drained()
  }
}
