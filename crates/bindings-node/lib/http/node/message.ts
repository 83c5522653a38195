/** The request as a listener sees it: a true `IncomingMessage`, whose socket brings its body when it is read. */

import type { IncomingMessage } from 'node:http'

import type { Message } from './internals'
import type { Socket } from './socket'

/** Makes the request of a socket's exchange. */
export function makeMessage(Class: typeof IncomingMessage, socket: Socket, joinDuplicateHeaders: boolean): Message {
  const { exchange } = socket
  const message = new Class(socket as never) as unknown as Message
  const isHttp10 = exchange.httpVersion === '1.0'
  message.httpVersionMajor = 1
  message.httpVersionMinor = isHttp10 ? 0 : 1
  message.httpVersion = isHttp10 ? '1.0' : '1.1'
  message.url = exchange.target
  message.method = exchange.method
  if (joinDuplicateHeaders) message.joinDuplicateHeaders = true
  const lines = exchange.lines.slice(exchange.firstHeader)
  message._addHeaderLines(lines, lines.length)
  socket.request = message
  return message
}
