/** Koa 3 and its middleware on `createServer`. */

const assert = require('node:assert/strict')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { Readable } = require('node:stream')
const { test } = require('node:test')

const Koa = require('koa')

const { connect, deferred, serve } = require('./support/node-http')

/** An application that keeps what it would log. */
function application(...middleware) {
  const app = new Koa()
  app.silent = true
  for (const each of middleware) app.use(each)
  return app
}

const start = (t, app) => serve(t, app.callback())

test('a context has the parts of its request, and answers with each kind of body', async t => {
  const bodies = {
    '/text': 'text',
    '/html': '<p>html',
    '/bytes': Buffer.from('bytes'),
    '/stream': () => Readable.from(['str', 'eam']),
    '/web': () => new Blob(['blob']),
    '/nothing': null,
  }
  const app = application(ctx => {
    const body = bodies[ctx.path]
    if (ctx.path === '/json')
      ctx.body = { method: ctx.method, query: ctx.query, ip: ctx.ip, host: ctx.host, protocol: ctx.protocol, secure: ctx.secure }
    else ctx.body = typeof body === 'function' ? body() : body
  })
  const { url, port } = await start(t, app)
  const json = { method: 'GET', query: { a: 'b' }, ip: '127.0.0.1', host: `127.0.0.1:${port}`, protocol: 'http', secure: false }
  assert.deepEqual(await (await fetch(`${url}/json?a=b`)).json(), json)
  for (const [at, text] of [
    ['text', 'text'],
    ['html', '<p>html'],
    ['bytes', 'bytes'],
    ['stream', 'stream'],
    ['web', 'blob'],
  ]) {
    assert.equal(await (await fetch(`${url}/${at}`)).text(), text, at)
  }
  assert.equal((await fetch(`${url}/nothing`)).status, 204)
  const head = await fetch(`${url}/text`, { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, '4'])
})

test('errors are the statuses they say, and are told to the application', async t => {
  const told = []
  const app = application(ctx => (ctx.path === '/teapot' ? ctx.throw(418, 'short and stout') : Promise.reject(new Error('hidden'))))
  app.on('error', error => told.push(error.message))
  const { url } = await start(t, app)
  const teapot = await fetch(`${url}/teapot`)
  assert.deepEqual([teapot.status, await teapot.text()], [418, 'short and stout'])
  const hidden = await fetch(url)
  assert.deepEqual([hidden.status, await hidden.text()], [500, 'Internal Server Error'])
  assert.deepEqual(told, ['short and stout', 'hidden'])
})

test('cookies and redirects', async t => {
  const app = application(ctx => {
    if (ctx.path === '/back') return ctx.redirect('/')
    ctx.cookies.set('seen', '1')
    ctx.body = ctx.cookies.get('before') ?? 'none'
  })
  const { url } = await start(t, app)
  const answer = await fetch(`${url}/back`, { headers: { cookie: 'before=yes' } })
  assert.deepEqual([answer.redirected, await answer.text()], [true, 'yes'])
  assert.match(answer.headers.getSetCookie()[0], /^seen=1/)
})

test('ctx.respond = false leaves the response to the handler', async t => {
  const app = application(ctx => {
    ctx.respond = false
    ctx.res.writeHead(202).end('by hand')
  })
  const answer = await fetch((await start(t, app)).url)
  assert.deepEqual([answer.status, await answer.text()], [202, 'by hand'])
})

test('a stream is destroyed when its client leaves', async t => {
  const closed = deferred()
  const app = application(ctx => {
    ctx.body = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(16 * 1024)
      })(),
    ).on('close', closed.resolve)
  })
  const { port } = await start(t, app)
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await client.until(/200 OK/)
  client.leave()
  await closed.promise
})

test('@koa/bodyparser', async t => {
  const { bodyParser } = require('@koa/bodyparser')
  const app = application(bodyParser({ jsonLimit: 1000 }), ctx => (ctx.body = { body: ctx.request.body }))
  const { url } = await start(t, app)
  const post = (body, type) => fetch(url, { method: 'POST', body, headers: { 'content-type': type } })
  assert.deepEqual(await (await post('{"a":1}', 'application/json')).json(), { body: { a: 1 } })
  assert.deepEqual(await (await post('a=1&b=2', 'application/x-www-form-urlencoded')).json(), { body: { a: '1', b: '2' } })
  assert.equal((await post(JSON.stringify('x'.repeat(2000)), 'application/json')).status, 413)
  assert.equal((await post('{', 'application/json')).status, 400)
})

test('koa-static', async t => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hostloop-'))
  t.after(() => fs.rmSync(root, { recursive: true }))
  fs.writeFileSync(path.join(root, 'index.html'), '<p>index')
  fs.writeFileSync(path.join(root, 'large.bin'), Buffer.alloc(400_000))
  const { url } = await start(t, application(require('koa-static')(root)))
  const index = await fetch(url)
  assert.deepEqual([index.headers.get('content-type'), await index.text()], ['text/html; charset=utf-8', '<p>index'])
  assert.equal((await (await fetch(`${url}/large.bin`)).arrayBuffer()).byteLength, 400_000)
  assert.equal((await fetch(`${url}/nowhere`)).status, 404)
})

test('koa-compress', async t => {
  const text = 'compress me '.repeat(10_000)
  const app = application(require('koa-compress')({ threshold: 0 }), ctx => {
    ctx.type = 'text'
    ctx.body = ctx.path === '/stream' ? Readable.from([text.slice(0, 50_000), text.slice(50_000)]) : text
  })
  const { url } = await start(t, app)
  for (const at of ['/', '/stream']) {
    const answer = await fetch(url + at, { headers: { 'accept-encoding': 'gzip' } })
    assert.equal(answer.headers.get('content-encoding'), 'gzip')
    assert.equal(await answer.text(), text)
  }
})

test('@koa/cors', async t => {
  const { url } = await start(
    t,
    application(require('@koa/cors')({ origin: 'http://a.example' }), ctx => (ctx.body = 'hello')),
  )
  const preflight = await fetch(url, { method: 'OPTIONS', headers: { origin: 'http://a.example', 'access-control-request-method': 'PUT' } })
  assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, 'http://a.example'])
  assert.equal((await fetch(url)).headers.get('vary'), 'Origin')
})

test('koa-session', async t => {
  const { createSession } = require('koa-session')
  const app = new Koa()
  app.keys = ['secret']
  app.use(createSession({}, app)).use(ctx => {
    ctx.session.views = (ctx.session.views ?? 0) + 1
    ctx.body = String(ctx.session.views)
  })
  const { url } = await start(t, app)
  const first = await fetch(url)
  assert.equal(await first.text(), '1')
  const cookie = first.headers
    .getSetCookie()
    .map(field => field.split(';')[0])
    .join('; ')
  assert.equal(await (await fetch(url, { headers: { cookie } })).text(), '2')
})
