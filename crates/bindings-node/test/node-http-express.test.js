/** Express 5 and its middleware on `createServer`. */

const assert = require('node:assert/strict')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { Readable, Writable } = require('node:stream')
const { test } = require('node:test')
const zlib = require('node:zlib')

const express = require('express')

const { connect, deferred, serve } = require('./support/node-http')

/** An application with error details left out of the log of the tests. */
function application() {
  return express().set('env', 'test')
}

function folder(t, files = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hostloop-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), content)
  return folder
}

/** The status of a GET. `fetch` would ask for no cached response where there are validators. */
function statusOf(url, headers) {
  return new Promise((resolve, reject) => {
    http.get(url, { headers }, response => response.resume().on('end', () => resolve(response.statusCode))).on('error', reject)
  })
}

const json = (url, body, options) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), ...options })

test('routes, parameters, queries, and each way of answering', async t => {
  const app = application()
  app.get('/users/:id', (request, response) =>
    response.json({ id: request.params.id, q: request.query.q, ip: request.ip, host: request.hostname, secure: request.secure }),
  )
  app.get('/text', (request, response) => response.status(201).set('X-A', 'b').type('text').send('text'))
  app.get('/bytes', (request, response) => response.send(Buffer.from([1, 2, 3])))
  app.get('/nothing', (request, response) => response.sendStatus(204))
  app.get('/there', (request, response) => response.redirect('/text'))
  app.get('/kinds', (request, response) => response.format({ json: () => response.json(1), html: () => response.send('<p>') }))
  const { url } = await serve(t, app)
  assert.deepEqual(await (await fetch(`${url}/users/7?q=x`)).json(), { id: '7', q: 'x', ip: '127.0.0.1', host: '127.0.0.1', secure: false })
  const text = await fetch(`${url}/there`)
  assert.deepEqual([text.status, text.headers.get('x-a'), text.headers.get('x-powered-by'), text.redirected], [201, 'b', 'Express', true])
  assert.equal(await text.text(), 'text')
  assert.deepEqual([...new Uint8Array(await (await fetch(`${url}/bytes`)).arrayBuffer())], [1, 2, 3])
  assert.equal((await fetch(`${url}/nothing`)).status, 204)
  assert.equal(await (await fetch(`${url}/kinds`, { headers: { accept: 'text/html' } })).text(), '<p>')
  assert.equal((await fetch(`${url}/nowhere`)).status, 404)
})

test('an etag that matches is a 304', async t => {
  const app = application().get('/', (request, response) => response.send('hello'))
  const { url } = await serve(t, app)
  const etag = (await fetch(url)).headers.get('etag')
  assert.equal(await statusOf(url, { 'if-none-match': etag }), 304)
  const head = await fetch(url, { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers.get('content-length'), await head.text()], [200, '5', ''])
})

test('errors of handlers, thrown and rejected, are 500s, and error handlers see them', async t => {
  const app = application()
  app.get('/thrown', () => {
    throw new Error('thrown')
  })
  app.get('/rejected', async () => {
    throw Object.assign(new Error('rejected'), { status: 418 })
  })
  app.use((error, request, response, next) => (request.query.own ? response.status(599).send(error.message) : next(error)))
  const { url } = await serve(t, app)
  assert.equal((await fetch(`${url}/thrown`)).status, 500)
  assert.equal((await fetch(`${url}/rejected`)).status, 418)
  assert.equal(await (await fetch(`${url}/thrown?own=1`)).text(), 'thrown')
})

test('an error after the response has begun closes the connection', async t => {
  const app = application().get('/', (request, response, next) => {
    response.write('half')
    setImmediate(next, new Error('late'))
  })
  const { port } = await serve(t, app)
  assert.doesNotMatch(await connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '').rest(), /\r\n0\r\n/)
})

test("Express's body parsers", async t => {
  const app = application()
  const echo = (request, response) => response.json({ body: Buffer.isBuffer(request.body) ? [...request.body] : request.body })
  app.post('/json', express.json(), echo)
  app.post('/form', express.urlencoded({ extended: true }), echo)
  app.post('/text', express.text({ type: '*/*' }), echo)
  app.post('/raw', express.raw({ type: '*/*' }), echo)
  const { url } = await serve(t, app)
  const post = async (path, body, type, headers) =>
    (await fetch(url + path, { method: 'POST', body, headers: { 'content-type': type, ...headers } })).json()
  const large = { text: 'é'.repeat(40_000) }
  assert.deepEqual(await post('/json', JSON.stringify(large), 'application/json'), { body: large })
  assert.deepEqual(await post('/form', 'a[b]=1&c=2', 'application/x-www-form-urlencoded'), { body: { a: { b: '1' }, c: '2' } })
  assert.deepEqual(await post('/text', 'text', 'text/plain'), { body: 'text' })
  assert.deepEqual(await post('/raw', Buffer.from([0, 255]), 'application/octet-stream'), { body: [0, 255] })
  const packed = zlib.gzipSync(JSON.stringify({ a: 1 }))
  assert.deepEqual(await post('/json', packed, 'application/json', { 'content-encoding': 'gzip' }), { body: { a: 1 } })
})

test('bodies that are malformed or too large are refused, and the connection serves on', async t => {
  const app = application().post('/', express.json({ limit: 100 }), (request, response) => response.json(request.body))
  const { url } = await serve(t, app)
  assert.equal((await fetch(url, { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } })).status, 400)
  assert.equal((await json(url, 'x'.repeat(500))).status, 413)
  assert.equal((await json(url, 'x'.repeat(5_000_000))).status, 413)
  assert.deepEqual(await (await json(url, { a: 1 })).json(), { a: 1 })
})

test('static files: ranges, validators, types, folders', async t => {
  const root = folder(t, { 'page.html': '<p>page', 'data.bin': Buffer.alloc(300_000, 'ab'), 'index.html': '<p>index', '.hidden': 'x' })
  const { url } = await serve(t, application().use('/files', express.static(root)))
  const page = await fetch(`${url}/files/page.html`)
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.equal(await page.text(), '<p>page')
  const validators = { 'if-none-match': page.headers.get('etag'), 'if-modified-since': page.headers.get('last-modified') }
  assert.equal(await statusOf(`${url}/files/page.html`, validators), 304)
  const part = await fetch(`${url}/files/data.bin`, { headers: { range: 'bytes=100000-199999' } })
  assert.deepEqual([part.status, part.headers.get('content-range')], [206, 'bytes 100000-199999/300000'])
  assert.equal((await part.arrayBuffer()).byteLength, 100_000)
  assert.equal((await fetch(`${url}/files/data.bin`, { headers: { range: 'bytes=400000-' } })).status, 416)
  assert.equal((await (await fetch(`${url}/files/data.bin`)).arrayBuffer()).byteLength, 300_000)
  const head = await fetch(`${url}/files/data.bin`, { method: 'HEAD' })
  assert.equal(head.headers.get('content-length'), '300000')
  assert.equal(await (await fetch(`${url}/files/`)).text(), '<p>index')
  assert.equal((await fetch(`${url}/files`)).redirected, true)
  for (const path of ['nowhere', '.hidden', '%2e%2e/secret']) assert.equal((await fetch(`${url}/files/${path}`)).status, 404)
})

test('sendFile and download', async t => {
  const root = folder(t, { 'a.txt': 'content' })
  const app = application()
  app.get('/send', (request, response) => response.sendFile('a.txt', { root }))
  app.get('/download', (request, response) => response.download(path.join(root, 'a.txt'), 'ä.txt'))
  const { url } = await serve(t, app)
  assert.equal(await (await fetch(`${url}/send`)).text(), 'content')
  const download = await fetch(`${url}/download`)
  assert.match(download.headers.get('content-disposition'), /^attachment; filename=/)
  assert.equal(await download.text(), 'content')
})

test('cookie-parser', async t => {
  const cookies = require('cookie-parser')
  const app = application().use(cookies('secret'))
  app.get('/set', (request, response) =>
    response.cookie('plain', 'a b').cookie('signed', 'c', { signed: true, httpOnly: true }).clearCookie('old').end(),
  )
  app.get('/get', (request, response) => response.json({ ...request.cookies, ...request.signedCookies }))
  const { url } = await serve(t, app)
  const set = (await fetch(`${url}/set`)).headers.getSetCookie()
  assert.equal(set.length, 3)
  const cookie = set
    .slice(0, 2)
    .map(field => field.split(';')[0])
    .join('; ')
  assert.deepEqual(await (await fetch(`${url}/get`, { headers: { cookie } })).json(), { plain: 'a b', signed: 'c' })
})

test('express-session', async t => {
  const session = require('express-session')
  const app = application().use(session({ secret: 'secret', resave: false, saveUninitialized: false, rolling: true }))
  app.get('/', (request, response) => {
    request.session.views = (request.session.views ?? 0) + 1
    response.send(String(request.session.views))
  })
  app.get('/streamed', (request, response) => {
    request.session.views = 10
    response.write('1')
    response.end('0')
  })
  app.get('/leave', (request, response, next) => request.session.destroy(error => (error ? next(error) : response.send('left'))))
  const { url } = await serve(t, app)
  const first = await fetch(url)
  const headers = { cookie: first.headers.getSetCookie()[0].split(';')[0] }
  assert.equal(await first.text(), '1')
  assert.equal(await (await fetch(url, { headers })).text(), '2')
  assert.equal(await (await fetch(`${url}/streamed`, { headers })).text(), '10')
  assert.equal(await (await fetch(url, { headers })).text(), '11')
  assert.equal(await (await fetch(`${url}/leave`, { headers })).text(), 'left')
  assert.equal(await (await fetch(url, { headers })).text(), '1')
})

test('compression', async t => {
  const compression = require('compression')
  const text = 'compress me '.repeat(20_000)
  const app = application().use(compression({ threshold: 0 }))
  app.get('/whole', (request, response) => response.type('text').send(text))
  app.get('/streamed', (request, response) => {
    const pieces = Array.from({ length: text.length / 1200 }, (_, at) => text.slice(at * 1200, at * 1200 + 1200))
    Readable.from(pieces).pipe(response.type('text'))
  })
  app.get('/flushed', (request, response) => {
    response.type('text').write('first')
    response.flush()
    flushed.resolve(() => response.end('last'))
  })
  app.get('/none', (request, response) => response.status(204).end())
  const flushed = deferred()
  const { url, port } = await serve(t, app)
  for (const path of ['/whole', '/streamed']) {
    for (const encoding of ['gzip', 'deflate', 'br']) {
      const response = await fetch(url + path, { headers: { 'accept-encoding': encoding } })
      assert.equal(response.headers.get('content-encoding'), encoding)
      assert.equal(await response.text(), text)
    }
  }
  assert.equal((await fetch(`${url}/whole`, { method: 'HEAD' })).status, 200)
  assert.equal((await fetch(`${url}/none`)).status, 204)
  const client = connect(t, port).send('GET /flushed HTTP/1.1', 'host: x', 'accept-encoding: gzip', '', '')
  await client.until(/\r\n\r\n[0-9A-F]+\r\n/)
  const finish = await flushed.promise
  finish()
  await client.until(/\r\n0\r\n\r\n$/)
})

test('cors', async t => {
  const cors = require('cors')
  const app = application().use(cors({ origin: 'http://a.example', credentials: true }))
  app.get('/', (request, response) => response.send('hello'))
  const { url } = await serve(t, app)
  const preflight = await fetch(url, { method: 'OPTIONS', headers: { origin: 'http://a.example', 'access-control-request-method': 'PUT' } })
  assert.deepEqual([preflight.status, preflight.headers.get('access-control-allow-origin')], [204, 'http://a.example'])
  assert.match(preflight.headers.get('access-control-allow-methods'), /PUT/)
  assert.equal((await fetch(url)).headers.get('access-control-allow-credentials'), 'true')
})

test('helmet', async t => {
  const helmet = require('helmet')
  const app = application()
    .use(helmet())
    .get('/', (request, response) => response.send('hello'))
  const { headers } = await fetch((await serve(t, app)).url)
  assert.match(headers.get('content-security-policy'), /default-src 'self'/)
  assert.equal(headers.get('x-powered-by'), null)
})

test('morgan', async t => {
  const morgan = require('morgan')
  const logged = deferred()
  const stream = new Writable({ decodeStrings: false, write: (line, encoding, done) => done(null, logged.resolve(line)) })
  const app = application().use(morgan(':method :url :status :res[content-length] :remote-addr :http-version :response-time', { stream }))
  app.get('/path', (request, response) => response.status(201).send('hello'))
  const { url } = await serve(t, app)
  await fetch(`${url}/path?a=b`)
  assert.match(await logged.promise, /^GET \/path\?a=b 201 5 127\.0\.0\.1 1\.1 \d+\.\d+\n$/)
})

test('multer keeps uploads in memory and on disk', async t => {
  const multer = require('multer')
  const root = folder(t)
  const app = application()
  const seen = (request, response) =>
    response.json({
      body: request.body,
      files: request.files.map(({ fieldname, originalname, size, path: at, buffer }) => ({
        fieldname,
        originalname,
        size,
        last: (buffer ?? fs.readFileSync(at)).at(-1),
      })),
    })
  app.post('/memory', multer({ storage: multer.memoryStorage() }).any(), seen)
  app.post('/disk', multer({ dest: root }).any(), seen)
  app.post('/small', multer({ limits: { fileSize: 10 } }).any(), seen)
  app.use((error, request, response, next) => response.status(400).send(error.code ?? next(error)))
  const { url } = await serve(t, app)
  const form = () => {
    const form = new FormData()
    form.set('name', 'value')
    form.set('small', new File(['abc'], 'small.txt'))
    form.set('large', new File([Buffer.alloc(6_000_000, 'z')], 'large.bin'))
    return form
  }
  const wanted = {
    body: { name: 'value' },
    files: [
      { fieldname: 'small', originalname: 'small.txt', size: 3, last: 99 },
      { fieldname: 'large', originalname: 'large.bin', size: 6_000_000, last: 122 },
    ],
  }
  for (const path of ['/memory', '/disk']) {
    assert.deepEqual(await (await fetch(url + path, { method: 'POST', body: form() })).json(), wanted)
  }
  const refused = await fetch(`${url}/small`, { method: 'POST', body: form() })
  assert.deepEqual([refused.status, await refused.text()], [400, 'LIMIT_FILE_SIZE'])
})

test('server-sent events end with their client', async t => {
  const closed = deferred()
  const app = application().get('/events', (request, response) => {
    response.set({ 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }).flushHeaders()
    let count = 0
    const timer = setInterval(() => response.write(`data: ${(count += 1)}\n\n`), 5)
    request.on('close', () => closed.resolve(clearInterval(timer)))
  })
  const { port } = await serve(t, app)
  const client = connect(t, port).send('GET /events HTTP/1.1', 'host: x', '', '')
  await client.until(/data: 3\n\n/)
  client.leave()
  await closed.promise
})

test('an application of an application, and a router', async t => {
  const inner = express().get('/x', (request, response) => response.send(`${request.baseUrl} ${request.originalUrl}`))
  const router = express.Router({ mergeParams: true }).get('/y', (request, response) => response.send(request.params.id))
  const { url } = await serve(t, application().use('/inner', inner).use('/:id', router))
  assert.equal(await (await fetch(`${url}/inner/x`)).text(), '/inner /inner/x')
  assert.equal(await (await fetch(`${url}/7/y`)).text(), '7')
})
