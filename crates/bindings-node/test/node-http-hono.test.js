/** Hono and its middleware: through `serve`, and on `createServer` with Hono's own adapter for Node. */

const assert = require('node:assert/strict')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')

const { Hono } = require('hono')

const { serve: serveFetch } = require('../dist/http/serve')
const { connect, deferred, serve: serveNode } = require('./support/node-http')

async function start(t, app) {
  const server = await serveFetch(app, { port: 0 })
  t.after(() => server.close())
  return { url: server.url, port: Number(server.url.split(':').at(-1)) }
}

test('routes, parameters, bodies and each kind of response', async t => {
  const app = new Hono()
  app.get('/users/:id', c => c.json({ id: c.req.param('id'), q: c.req.query('q'), agent: c.req.header('x-agent') }))
  app.post('/json', async c => c.json(await c.req.json(), 201))
  app.post('/form', async c => c.json(await c.req.parseBody()))
  app.get('/text', c => c.text('text', 200, { 'x-a': 'b' }))
  app.get('/html', c => c.html('<p>'))
  app.get('/there', c => c.redirect('/text'))
  app.get('/none', c => c.body(null, 204))
  app.get('/fails', () => {
    throw new Error('hidden')
  })
  app.onError((error, c) => c.text(error.message, 500))
  const { url } = await start(t, app)
  assert.deepEqual(await (await fetch(`${url}/users/7?q=x`, { headers: { 'x-agent': 'y' } })).json(), { id: '7', q: 'x', agent: 'y' })
  const made = await fetch(`${url}/json`, { method: 'POST', body: '{"a":1}' })
  assert.deepEqual([made.status, await made.json()], [201, { a: 1 }])
  assert.deepEqual(await (await fetch(`${url}/form`, { method: 'POST', body: new URLSearchParams({ a: 'b' }) })).json(), { a: 'b' })
  const text = await fetch(`${url}/there`)
  assert.deepEqual([text.redirected, text.headers.get('x-a'), await text.text()], [true, 'b', 'text'])
  assert.match((await fetch(`${url}/html`)).headers.get('content-type'), /^text\/html/)
  assert.equal((await fetch(`${url}/none`)).status, 204)
  const fails = await fetch(`${url}/fails`)
  assert.deepEqual([fails.status, await fails.text()], [500, 'hidden'])
  assert.equal((await fetch(`${url}/nowhere`)).status, 404)
  assert.equal((await fetch(`${url}/text`, { method: 'HEAD' })).status, 200)
})

test('what middleware sets after the handler is added to its response', async t => {
  const app = new Hono()
  app.use(async (c, next) => {
    c.res.headers.set('x-before', '1')
    await next()
    c.res.headers.set('x-after', '2')
    c.res = new Response(c.res.body, c.res)
  })
  app.get('/', c => c.text('made', 201, { 'x-own': '3' }))
  const answer = await fetch((await start(t, app)).url)
  const fields = ['x-before', 'x-after', 'x-own', 'content-type'].map(name => answer.headers.get(name))
  assert.deepEqual([answer.status, ...fields], [201, '1', '2', '3', 'text/plain; charset=UTF-8'])
  assert.equal(await answer.text(), 'made')
})

test('uploads of files', async t => {
  const app = new Hono().post('/', async c => {
    const { name, file } = await c.req.parseBody()
    return c.json([name, file.name, file.size])
  })
  const { url } = await start(t, app)
  const body = new FormData()
  body.set('name', 'value')
  body.set('file', new File([Buffer.alloc(3_000_000)], 'file.bin'))
  assert.deepEqual(await (await fetch(url, { method: 'POST', body })).json(), ['value', 'file.bin', 3_000_000])
})

test('hono/cors', async t => {
  const { cors } = require('hono/cors')
  const { url } = await start(
    t,
    new Hono().use(cors({ origin: 'http://a.example' })).get('/', c => c.text('hello')),
  )
  const preflight = await fetch(url, { method: 'OPTIONS', headers: { origin: 'http://a.example', 'access-control-request-method': 'PUT' } })
  assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, 'http://a.example'])
  const answer = await fetch(url, { headers: { origin: 'http://a.example' } })
  assert.equal(answer.headers.get('access-control-allow-origin'), 'http://a.example')
})

test('hono/compress', async t => {
  const { compress } = require('hono/compress')
  const text = 'compress me '.repeat(5000)
  const { url } = await start(
    t,
    new Hono().use(compress()).get('/', c => c.text(text)),
  )
  const answer = await fetch(url, { headers: { 'accept-encoding': 'gzip' } })
  assert.equal(answer.headers.get('content-encoding'), 'gzip')
  assert.equal(await answer.text(), text)
})

test('hono/cookie', async t => {
  const { getCookie, getSignedCookie, setCookie, setSignedCookie } = require('hono/cookie')
  const app = new Hono()
  app.get('/set', async c => {
    setCookie(c, 'plain', 'a')
    await setSignedCookie(c, 'signed', 'b', 'secret')
    return c.text('set')
  })
  app.get('/get', async c => c.json([getCookie(c, 'plain'), await getSignedCookie(c, 'secret', 'signed')]))
  const { url } = await start(t, app)
  const set = (await fetch(`${url}/set`)).headers.getSetCookie()
  assert.equal(set.length, 2)
  const cookie = set.map(field => field.split(';')[0]).join('; ')
  assert.deepEqual(await (await fetch(`${url}/get`, { headers: { cookie } })).json(), ['a', 'b'])
})

test('hono/body-limit', async t => {
  const { bodyLimit } = require('hono/body-limit')
  const { url } = await start(
    t,
    new Hono().post('/', bodyLimit({ maxSize: 100 }), async c => c.text(String((await c.req.text()).length))),
  )
  assert.equal(await (await fetch(url, { method: 'POST', body: 'x'.repeat(100) })).text(), '100')
  assert.equal((await fetch(url, { method: 'POST', body: 'x'.repeat(101) })).status, 413)
})

test('hono/secure-headers', async t => {
  const { secureHeaders } = require('hono/secure-headers')
  const { headers } = await fetch(
    (
      await start(
        t,
        new Hono().use(secureHeaders()).get('/', c => c.text('hello')),
      )
    ).url,
  )
  assert.equal(headers.get('x-frame-options'), 'SAMEORIGIN')
  assert.match(headers.get('strict-transport-security'), /max-age/)
})

test('hono/etag', async t => {
  const { etag } = require('hono/etag')
  const { port } = await start(
    t,
    new Hono().use(etag()).get('/', c => c.text('hello')),
  )
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  const [, tag] = await client.until(/etag: ([^\r]+)\r\n[^]*hello$/)
  client.send('GET / HTTP/1.1', 'host: x', `if-none-match: ${tag}`, '', '')
  await client.until(/304 Not Modified\r\n[^]*\r\n\r\n$/)
})

test("@hono/node-server's serve-static", async t => {
  const { serveStatic } = require('@hono/node-server/serve-static')
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hostloop-'))
  t.after(() => fs.rmSync(root, { recursive: true }))
  fs.writeFileSync(path.join(root, 'data.bin'), Buffer.alloc(300_000, 'ab'))
  const { url } = await start(t, new Hono().use(serveStatic({ root: path.relative(process.cwd(), root) })))
  assert.equal((await (await fetch(`${url}/data.bin`)).arrayBuffer()).byteLength, 300_000)
  const part = await fetch(`${url}/data.bin`, { headers: { range: 'bytes=0-3' } })
  assert.deepEqual([part.status, await part.text()], [206, 'abab'])
  assert.equal((await fetch(`${url}/nowhere`)).status, 404)
})

test('hono/streaming: streams, and events that end with their client', async t => {
  const { stream, streamSSE, streamText } = require('hono/streaming')
  const left = deferred()
  const app = new Hono()
  app.get('/stream', c =>
    stream(c, async out => {
      await out.write(new Uint8Array([97]))
      await out.pipe(new Blob(['bc']).stream())
    }),
  )
  app.get('/text', c =>
    streamText(c, async out => {
      for (const word of ['a', 'b', 'c']) await out.write(word)
    }),
  )
  app.get('/events', c =>
    streamSSE(c, async out => {
      out.onAbort(() => left.resolve())
      for (let id = 0; !out.aborted; id++) {
        await out.writeSSE({ data: 'tick', id: String(id) })
        await out.sleep(5)
      }
    }),
  )
  const { url, port } = await start(t, app)
  assert.equal(await (await fetch(`${url}/stream`)).text(), 'abc')
  assert.equal(await (await fetch(`${url}/text`)).text(), 'abc')
  const client = connect(t, port).send('GET /events HTTP/1.1', 'host: x', '', '')
  await client.until(/id: 3\n/)
  client.leave()
  await left.promise
})

test('hono/basic-auth', async t => {
  const { basicAuth } = require('hono/basic-auth')
  const { url } = await start(
    t,
    new Hono().use(basicAuth({ username: 'u', password: 'p' })).get('/', c => c.text('in')),
  )
  assert.equal((await fetch(url)).status, 401)
  assert.equal(await (await fetch(url, { headers: { authorization: `Basic ${btoa('u:p')}` } })).text(), 'in')
})

test('hono/csrf', async t => {
  const { csrf } = require('hono/csrf')
  const { url } = await start(
    t,
    new Hono().use(csrf()).post('/', c => c.text('in')),
  )
  const post = headers => fetch(url, { method: 'POST', body: new URLSearchParams({ a: 'b' }), headers })
  assert.equal((await post({ origin: 'http://evil.example' })).status, 403)
  assert.equal((await post({ origin: url })).status, 200)
})

test('hono/jwt', async t => {
  const { jwt, sign } = require('hono/jwt')
  const app = new Hono().use(jwt({ secret: 'secret', alg: 'HS256' })).get('/', c => c.json(c.get('jwtPayload')))
  const { url } = await start(t, app)
  assert.equal((await fetch(url)).status, 401)
  const token = await sign({ sub: 'me' }, 'secret', 'HS256')
  assert.deepEqual(await (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).json(), { sub: 'me' })
})

test('hono/logger', async t => {
  const { logger } = require('hono/logger')
  const lines = []
  const { url } = await start(
    t,
    new Hono().use(logger(line => lines.push(line))).get('/path', c => c.text('hello')),
  )
  await (await fetch(`${url}/path`)).text()
  assert.match(lines[0], /GET \/path/)
  assert.match(lines[1], /GET \/path .*200/)
})

test('hono/timeout', async t => {
  const { timeout } = require('hono/timeout')
  const { url } = await start(
    t,
    new Hono().use(timeout(20)).get('/', () => new Promise(() => {})),
  )
  assert.equal((await fetch(url)).status, 504)
})

test('hono/request-id, timing and pretty-json', async t => {
  const { requestId } = require('hono/request-id')
  const { timing } = require('hono/timing')
  const { prettyJSON } = require('hono/pretty-json')
  const { url } = await start(
    t,
    new Hono().use(requestId(), timing(), prettyJSON()).get('/', c => c.json({ a: 1 })),
  )
  const answer = await fetch(`${url}?pretty`)
  assert.match(answer.headers.get('x-request-id'), /^[\w-]{36}$/)
  assert.match(answer.headers.get('server-timing'), /total/)
  assert.equal(await answer.text(), '{\n  "a": 1\n}')
})

test("Hono's own adapter for Node runs on createServer", async t => {
  const { getRequestListener } = require('@hono/node-server')
  const app = new Hono().post('/', async c => c.text(`${c.req.header('x-a')} ${await c.req.text()}`)).get('/', c => c.text('hello'))
  const { url } = await serveNode(t, getRequestListener(app.fetch))
  assert.equal(await (await fetch(url)).text(), 'hello')
  assert.equal(await (await fetch(url, { method: 'POST', body: 'body', headers: { 'x-a': 'b' } })).text(), 'b body')
})
