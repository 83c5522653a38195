/**
 * The response as a listener sees it: a true `ServerResponse`, whose output goes to the engine instead of a socket.
 *
 * What differs is put on each object itself, since frameworks replace its prototype by one of theirs.
 */

import { type IncomingMessage, ServerResponse } from 'node:http'

import { failure } from './failures'
import { fieldLines } from './fields'
import type { Callback, Message, Reply } from './internals'
import type { Socket } from './socket'

/** Makes the response to a request. */
export function makeReply(Class: typeof ServerResponse, message: Message, socket: Socket, options: object): Reply {
  const reply = new (Class as unknown as new (message: IncomingMessage, options: object) => Reply)(message as never, options)
  reply._storeHeader = storeHeader
  reply._send = send
  reply._writeRaw = writeRaw
  reply._finish = finish
  // To HTTP/1.0 too, the engine says when it closes.
  reply.shouldKeepAlive = true
  reply.socket = socket
  socket._httpMessage = reply
  return reply
}

function storeHeader(this: Reply, firstLine: string, headers: unknown): void {
  if (this.statusCode < 200) {
    // `writeHead` has taken the body away.
    this._hasBody = this.req.method !== 'HEAD'
    throw failure(RangeError, 'ERR_HTTP_INVALID_STATUS_CODE', `Invalid status code: ${this.statusCode} is not a final response`)
  }
  const measured = this._contentLength
  this._contentLength = null
  const lines = fieldLines(this, headers)
  let length = this._contentLength as number | null
  if (length === null) {
    this._contentLength = measured
    // Of what is sent, the engine tells the length; not of what a HEAD leaves out.
    if (measured && this.req.method === 'HEAD') length = measured
  }
  this._header = firstLine
  this.socket?.begin(this.statusCode, lines, length)
}

function send(this: Reply, data: string | Uint8Array, encoding?: BufferEncoding | null, callback?: Callback | null): boolean {
  const { socket } = this
  if (socket === null || socket.destroyed) return false
  if (data.length > 0) return socket.take(isUtf8(data, encoding) ? data : Buffer.from(data as string, encoding!), callback)
  if (callback) return socket.take(data, callback)
  socket.flushHead()
  return true
}

function isUtf8(data: string | Uint8Array, encoding: BufferEncoding | null | undefined): boolean {
  return typeof data !== 'string' || !encoding || encoding === 'utf8' || encoding === 'utf-8'
}

/** Informational responses are left out: the engine sends `100 Continue` by itself. */
function writeRaw(this: Reply, _data: string, encoding?: BufferEncoding | Callback | null, callback?: Callback | null): boolean {
  const told = typeof encoding === 'function' ? encoding : callback
  if (told) process.nextTick(told)
  return true
}

/** Node's own, which tells those who observe it. */
const finishNode = (ServerResponse.prototype as unknown as Reply)._finish

function finish(this: Reply): void {
  finishNode.call(this)
  // Of one that was destroyed, the end did not come to the socket.
  if (this.socket?.destroyed) return
  this.socket?.answered(this._trailer === '' ? undefined : trailerLines(this._trailer))
}

/** From `Name: value` on lines of HTTP to the lines that the engine reads. */
function trailerLines(trailer: string): string {
  const lines = trailer.split('\r\n').filter(line => line !== '')
  return lines.map(line => line.replace(': ', '\n')).join('\n')
}
