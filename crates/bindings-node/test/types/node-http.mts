/** That a server of `createServer` can be given where one of `node:http` is wanted. Nothing of this is run. */

import type { Server } from 'node:http'

import fastify from 'fastify'
import { createServer, type NodeServer } from 'hostloop'

const made: NodeServer = createServer({ limits: { bodyBytes: 1000 } }, (request, response) => {
  const address: string | undefined = request.socket.remoteAddress
  response.writeHead(200, { 'content-type': 'text/plain' }).end(address)
})
const wanted: Server = made
wanted.listen({ port: 0 }, () => {})
fastify({ serverFactory: handler => createServer(handler) })

// @ts-expect-error A timeout is a number.
createServer({ timeouts: { handler: 'long' } })
