// One fastify application on either server: `node fastify-app.js PORT node:http|hostloop`.

const { Readable } = require('node:stream')
const { setTimeout: sleep } = require('node:timers/promises')

const fastify = require('fastify')

const { priced } = require('./item')
const { pieces } = require('./pieces')

// Without a serverFactory fastify makes and sets up node:http's server itself.
const OPTIONS = {
  'node:http': {},
  hostloop: { serverFactory: handler => require('hostloop').createServer(handler) },
}

const ITEM_SCHEMA = {
  params: { type: 'object', properties: { id: { type: 'integer' } } },
  response: {
    200: {
      type: 'object',
      properties: {
        id: { type: 'integer' },
        name: { type: 'string' },
        total: { type: 'number' },
        tags: { type: 'array', items: { type: 'string' } },
      },
    },
  },
}

const [port, server] = process.argv.slice(2)
const app = fastify(OPTIONS[server])

app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, async (request, body) => body)

app.get('/', async () => 'Hello, World!')
app.post('/items/:id', { schema: ITEM_SCHEMA }, async request => priced(request.params.id, request.body))
app.post('/echo', async request => request.body)
app.get('/stream', async (request, reply) => reply.type('application/octet-stream').send(Readable.from(pieces())))
app.get('/sleep', async () => {
  await sleep(10)
  return 'ok'
})

app.listen({ host: '127.0.0.1', port })
