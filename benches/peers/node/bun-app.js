// bun's own server and routes: `bun bun-app.js PORT`.

import { priced } from './item.js'
import { pieces } from './pieces.js'

const BYTES = { headers: { 'content-type': 'application/octet-stream' } }

const [port] = process.argv.slice(2)

Bun.serve({
  hostname: '127.0.0.1',
  port,
  idleTimeout: 75,
  routes: {
    '/': { GET: async () => new Response('Hello, World!') },
    '/items/:id': {
      POST: async request => Response.json(priced(Number(request.params.id), await request.json())),
    },
    '/echo': { POST: async request => new Response(await request.bytes(), BYTES) },
    '/stream': { GET: async () => new Response(pieces(), BYTES) },
    '/sleep': {
      GET: async () => {
        await Bun.sleep(10)
        return new Response('ok')
      },
    },
  },
})
