// One hono application on either server: `node hono-app.js PORT node-server|hostloop`.

const { setTimeout: sleep } = require('node:timers/promises')

const { Hono } = require('hono')
const { stream } = require('hono/streaming')

const { priced } = require('./item')
const { pieces } = require('./pieces')

const BYTES = { 'content-type': 'application/octet-stream' }

const app = new Hono()

app.get('/', async c => c.text('Hello, World!'))
app.post('/items/:id', async c => c.json(priced(Number(c.req.param('id')), await c.req.json())))
app.post('/echo', async c => c.body(await c.req.arrayBuffer(), 200, BYTES))
app.get('/stream', async c => {
  c.header('content-type', 'application/octet-stream')
  return stream(c, async body => {
    for await (const piece of pieces()) await body.write(piece)
  })
})
app.get('/sleep', async c => {
  await sleep(10)
  return c.text('ok')
})

const SERVE = {
  'node-server': port =>
    require('@hono/node-server').serve({
      fetch: app.fetch,
      hostname: '127.0.0.1',
      port,
      serverOptions: { keepAliveTimeout: 75_000 },
    }),
  hostloop: port => require('hostloop').serve({ fetch: app.fetch }, { host: '127.0.0.1', port }),
}

const [port, server] = process.argv.slice(2)
SERVE[server](Number(port))
