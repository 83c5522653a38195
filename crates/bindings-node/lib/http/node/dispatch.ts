/** From the engine's requests to the listeners of a server. */

import { channel } from 'node:diagnostics_channel'
import { IncomingMessage, ServerResponse } from 'node:http'

import type { Exchange } from '../exchange'
import { rethrow } from '../rethrow'
import type { Message, Reply } from './internals'
import { makeMessage } from './message'
import { makeReply } from './reply'
import type { NodeServer } from './server'
import type { NodeServerOptions } from './settings'
import { Socket } from './socket'

// Those that `node:http` publishes, for tracing.
const started = channel('http.server.request.start')
const created = channel('http.server.response.created')
const finished = channel('http.server.response.finish')

/** Makes the function that serves a server's requests. It never throws. */
export function dispatcher(server: NodeServer, options: NodeServerOptions): (exchange: Exchange) => void {
  const MessageClass = options.IncomingMessage ?? IncomingMessage
  const ReplyClass = options.ServerResponse ?? ServerResponse
  const { joinDuplicateHeaders = false, rejectNonStandardBodyWrites = false } = options
  const replyOptions = { highWaterMark: server.highWaterMark, rejectNonStandardBodyWrites }
  return exchange => {
    try {
      const socket = new Socket(exchange, server)
      const request = makeMessage(MessageClass, socket, joinDuplicateHeaders)
      const response = makeReply(ReplyClass, request, socket, replyOptions)
      if (server.timeout > 0) socket.setTimeout(server.timeout)
      publish({ request, response, socket, server })
      server.emit(eventOf(server, request), request, response)
    } catch (error) {
      // The requests that came with it are still to be served.
      rethrow(error)
    }
  }
}

function eventOf(server: NodeServer, request: Message): 'request' | 'checkContinue' {
  if (server.listenerCount('checkContinue') === 0) return 'request'
  return /(?:^|\W)100-continue(?:$|\W)/i.test(request.headers.expect ?? '') ? 'checkContinue' : 'request'
}

function publish(message: { request: Message; response: Reply; socket: Socket; server: NodeServer }): void {
  if (created.hasSubscribers) created.publish({ request: message.request, response: message.response })
  if (started.hasSubscribers) started.publish(message)
  if (finished.hasSubscribers) message.response.on('finish', () => finished.publish(message))
}
