/** The native layer, as TypeScript sees it. */

/** An engine with one HTTP server, in this thread's event loop. Handles of requests are two numbers, `low` and `high`. */
export interface NativeHost {
  route(method: string, path: string, token: number): void
  fallback(token: number): void
  listen(address: string, reusePort: boolean): string
  listenFd(fd: number): string
  keepAlive(keep: boolean): void
  wait(timeouts: object): void
  disconnect(onlyIdle: boolean): void
  drain(timeout?: number | null): void
  close(): void
  status(): [connections: number, requests: number]
  respondFunction(): Respond
  flush(): void
  respondStreamed(low: number, high: number, status: number, media: number, headers: string | undefined): void
  write(low: number, high: number, piece: Piece, token: number): boolean
  finish(low: number, high: number, trailers?: string): void
  abort(low: number, high: number): void
  read(low: number, high: number, token: number): void
  takeBody(low: number, high: number): Buffer
  takeBodyText(low: number, high: number): string
  connect(token: number): [low: number, high: number]
  clientSend(low: number, high: number, bytes: Uint8Array): number
  clientPause(low: number, high: number, isPaused: boolean): void
  clientClose(low: number, high: number): void
}

/** A socket that listens for the workers that inherit its descriptor. */
export interface NativeListeningSocket {
  readonly address: string | null
  readonly fd: number
  close(): void
}

/** Answers a request. */
export type Respond = (
  low: number,
  high: number,
  status: number,
  media: number,
  headers: string | undefined,
  body: Piece | undefined,
) => void

/** What can be sent: text as UTF-8, or bytes. */
export type Piece = string | Uint8Array

/** What happened, in one call for each turn: records of numbers, the text they point into, and bytes that came. */
export type OnBatch = (count: number, text: string, buffers: Buffer[] | undefined) => void

interface NativeModule {
  ListeningSocket: new (address: string, reusePort: boolean) => NativeListeningSocket
  Host: new (
    onBatch: OnBatch,
    records: Uint32Array,
    limits: object,
    timeouts: object,
    reportAccess: boolean,
    withThread: boolean,
  ) => NativeHost
}

const loaded = require('../native/index.js') as NativeModule

export const { Host, ListeningSocket } = loaded
