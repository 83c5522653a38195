/** Fastify 5 and its plugins on `createServer`, through `serverFactory`. */

const assert = require('node:assert/strict')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { Readable } = require('node:stream')
const { test } = require('node:test')

const fastify = require('fastify')

const { connect, createServer, deferred } = require('./support/node-http')

/** Listens with an application, whose plugins and routes `build` adds. */
async function start(t, build, options = {}) {
  const app = fastify({ serverFactory: handler => createServer(handler), forceCloseConnections: true, ...options })
  await build(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.after(() => app.close())
  const { port } = app.server.address()
  return { app, port, url: `http://127.0.0.1:${port}` }
}

const post = (url, body) => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

test('routes, schemas, hooks and errors', async t => {
  const told = []
  const { url } = await start(t, app => {
    app.addHook('onRequest', async request => told.push(`onRequest ${request.ip}`))
    app.addHook('onResponse', async (request, reply) => told.push(`onResponse ${reply.statusCode}`))
    app.get('/users/:id', async request => ({
      id: request.params.id,
      q: request.query.q,
      host: request.hostname,
      protocol: request.protocol,
    }))
    const schema = { body: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } }
    app.post('/users', { schema }, async (request, reply) => reply.code(201).header('x-a', 'b').send(request.body))
    app.get('/fails', async () => {
      throw Object.assign(new Error('short and stout'), { statusCode: 418 })
    })
  })
  assert.deepEqual(await (await fetch(`${url}/users/7?q=x`)).json(), { id: '7', q: 'x', host: '127.0.0.1', protocol: 'http' })
  const made = await post(`${url}/users`, { name: 'a' })
  assert.deepEqual([made.status, made.headers.get('x-a'), await made.json()], [201, 'b', { name: 'a' }])
  assert.equal((await post(`${url}/users`, {})).status, 400)
  assert.equal((await fetch(`${url}/fails`)).status, 418)
  assert.equal((await fetch(`${url}/nowhere`)).status, 404)
  assert.equal((await fetch(`${url}/users/7`, { method: 'HEAD' })).headers.get('content-type'), 'application/json; charset=utf-8')
  assert.deepEqual(told.slice(0, 2), ['onRequest 127.0.0.1', 'onResponse 200'])
})

test('each kind of reply', async t => {
  const { url } = await start(t, app => {
    app.get('/text', async () => 'text')
    app.get('/bytes', async () => Buffer.from('bytes'))
    app.get('/stream', async () => Readable.from([Buffer.from('str'), Buffer.from('eam')]))
    app.get('/web', async () => new Response('web', { status: 202 }))
    app.get('/nothing', async (request, reply) => reply.code(204).send())
    app.get('/raw', (request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-type': 'text/plain' }).end('raw')
    })
  })
  for (const kind of ['text', 'bytes', 'stream', 'web', 'raw']) assert.equal(await (await fetch(`${url}/${kind}`)).text(), kind)
  assert.equal((await fetch(`${url}/nothing`)).status, 204)
})

test('bodies are bounded, and read as they are asked for', async t => {
  const { url } = await start(
    t,
    app => {
      app.post('/', async request => request.body)
      app.addContentTypeParser('application/octet-stream', (request, payload, done) => done(null, payload))
      app.post('/stream', { bodyLimit: 10_000_000 }, async request => {
        let length = 0
        for await (const chunk of request.body) length += chunk.length
        return String(length)
      })
    },
    { bodyLimit: 1000 },
  )
  assert.deepEqual(await (await post(url, { a: 1 })).json(), { a: 1 })
  assert.equal((await post(url, 'x'.repeat(5000))).status, 413)
  const body = Buffer.alloc(5_000_000)
  const headers = { 'content-type': 'application/octet-stream' }
  assert.equal(await (await fetch(`${url}/stream`, { method: 'POST', body, headers })).text(), '5000000')
})

test('trailers', async t => {
  const { port } = await start(t, app => {
    app.get('/', (request, reply) => {
      reply.trailer('x-sum', async () => '42')
      reply.send('body')
    })
  })
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', 'te: trailers', '', '')
  await client.until(/trailer: x-sum[^]*4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n$/i)
})

test('a stream is destroyed when its client leaves', async t => {
  const closed = deferred()
  const { port } = await start(t, app => {
    app.get('/', async () =>
      Readable.from(
        (function* () {
          for (;;) yield Buffer.alloc(16 * 1024)
        })(),
      ).on('close', closed.resolve),
    )
  })
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await client.until(/200 OK/)
  client.leave()
  await closed.promise
})

test('localhost is listened at, whatever its addresses', async t => {
  const app = fastify({ serverFactory: handler => createServer(handler) }).get('/', async () => 'hello')
  t.after(() => app.close())
  await app.listen({ port: 0 })
  assert.equal(await (await fetch(`http://localhost:${app.server.address().port}`)).text(), 'hello')
})

test('a port that is taken rejects', async t => {
  const { port } = await start(t, () => {})
  const app = fastify({ serverFactory: handler => createServer(handler) })
  await assert.rejects(app.listen({ port, host: '127.0.0.1' }), { code: 'EADDRINUSE' })
})

test('close waits for the requests that are under way', async t => {
  const asked = deferred()
  const { app, url } = await start(t, app => app.get('/', (request, reply) => asked.resolve({ reply })), { forceCloseConnections: 'idle' })
  const answer = fetch(url).then(response => response.text())
  const { reply } = await asked.promise
  const closed = app.close()
  reply.send('late')
  assert.equal(await answer, 'late')
  await closed
})

test('@fastify/cors and @fastify/cookie', async t => {
  const { url } = await start(t, async app => {
    await app.register(require('@fastify/cors'), { origin: 'http://a.example' })
    await app.register(require('@fastify/cookie'), { secret: 'secret' })
    app.get('/', async (request, reply) => {
      reply.setCookie('signed', 'a', { signed: true }).setCookie('plain', 'b')
      return request.cookies
    })
  })
  const preflight = await fetch(url, { method: 'OPTIONS', headers: { origin: 'http://a.example', 'access-control-request-method': 'PUT' } })
  assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, 'http://a.example'])
  const answer = await fetch(url, { headers: { cookie: 'x=1; y=2' } })
  assert.deepEqual(await answer.json(), { x: '1', y: '2' })
  assert.equal(answer.headers.getSetCookie().length, 2)
})

test('@fastify/static', async t => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hostloop-'))
  t.after(() => fs.rmSync(root, { recursive: true }))
  fs.writeFileSync(path.join(root, 'data.bin'), Buffer.alloc(300_000, 'ab'))
  const { url } = await start(t, app => app.register(require('@fastify/static'), { root }))
  assert.equal((await (await fetch(`${url}/data.bin`)).arrayBuffer()).byteLength, 300_000)
  const part = await fetch(`${url}/data.bin`, { headers: { range: 'bytes=0-9' } })
  assert.deepEqual([part.status, await part.text()], [206, 'ababababab'])
  assert.equal((await fetch(`${url}/data.bin`, { method: 'HEAD' })).headers.get('content-length'), '300000')
  assert.equal((await fetch(`${url}/nowhere`)).status, 404)
})

test('@fastify/multipart', async t => {
  const { url } = await start(t, async app => {
    await app.register(require('@fastify/multipart'), { limits: { fileSize: 5_000_000 } })
    app.post('/', async request => {
      const seen = []
      for await (const part of request.parts()) {
        seen.push(part.type === 'file' ? [part.filename, (await part.toBuffer()).length] : [part.fieldname, part.value])
      }
      return seen
    })
  })
  const form = size => {
    const form = new FormData()
    form.set('name', 'value')
    form.set('file', new File([Buffer.alloc(size)], 'file.bin'))
    return form
  }
  assert.deepEqual(await (await fetch(url, { method: 'POST', body: form(4_000_000) })).json(), [
    ['name', 'value'],
    ['file.bin', 4_000_000],
  ])
  assert.equal((await fetch(url, { method: 'POST', body: form(6_000_000) })).status, 413)
})

test('@fastify/compress', async t => {
  const text = 'compress me '.repeat(10_000)
  const { url } = await start(t, async app => {
    await app.register(require('@fastify/compress'), { threshold: 0 })
    app.get('/', async (request, reply) => reply.type('text/plain').send(text))
  })
  const answer = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
  assert.equal(answer.headers.get('content-encoding'), 'gzip')
  assert.equal(await answer.text(), text)
})
