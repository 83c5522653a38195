/** The server object of `createServer`: where it listens, how it ends, what can be set. */

const assert = require('node:assert/strict')
const dns = require('node:dns/promises')
const { EventEmitter, getEventListeners, once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')

const { HttpEngine } = require('../dist/http/engine')
const { connect, createServer, deferred, serve, stop } = require('./support/node-http')

const hello = (request, response) => response.end('hello')
const get = url => fetch(url).then(response => response.text())

/** A server of each test's own, closed after it. */
function make(t, ...given) {
  const server = createServer(...given)
  t.after(() => stop(server))
  return server
}

test('listen takes a port, a host, a backlog and a callback', async t => {
  const server = make(t, hello)
  await new Promise(resolve => server.listen(0, '127.0.0.1', 511, resolve))
  const { address, family, port } = server.address()
  assert.deepEqual([address, family], ['127.0.0.1', 'IPv4'])
  assert.equal(await get(`http://127.0.0.1:${port}`), 'hello')
})

test('listen takes a port and a callback, and serves IPv4 and IPv6', async t => {
  const server = make(t, hello)
  await new Promise(resolve => server.listen(0, resolve))
  const { port } = server.address()
  assert.equal(await get(`http://127.0.0.1:${port}`), 'hello')
  if (server.address().family === 'IPv6') assert.equal(await get(`http://[::1]:${port}`), 'hello')
})

test('listen takes options, and nothing', async t => {
  for (const given of [[{ port: 0, host: '127.0.0.1' }], []]) {
    const server = make(t, hello).listen(...given)
    await once(server, 'listening')
    assert.equal(await get(`http://127.0.0.1:${server.address().port}`), 'hello')
  }
})

test('the address is known before listen returns', t => {
  const server = make(t, hello).listen(0)
  assert.ok(server.address().port > 0)
  assert.equal(server.listening, true)
})

test('a name is listened at with all its addresses', async t => {
  const server = make(t, hello)
  await new Promise(resolve => server.listen(0, 'localhost', resolve))
  assert.equal(await get(`http://localhost:${server.address().port}`), 'hello')
})

test('listen takes the path of a unix socket', async t => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hostloop-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const socketPath = path.join(folder, 'app.sock')
  const addresses = []
  const server = make(t, (request, response) => {
    addresses.push(request.socket.remoteAddress, request.socket.remotePort)
    response.end('hello')
  })
  await new Promise(resolve => server.listen(socketPath, resolve))
  assert.equal(server.address(), socketPath)
  const [response] = await once(http.get({ socketPath }), 'response')
  assert.equal(response.statusCode, 200)
  response.resume()
  assert.deepEqual(addresses, [undefined, undefined])
  await stop(server)
  assert.equal(fs.existsSync(socketPath), false)
})

test('a port that is taken is an error event with the code EADDRINUSE', async t => {
  const { port } = await serve(t, hello)
  const server = make(t, hello).listen(port, '127.0.0.1')
  const [error] = await once(server, 'error')
  assert.deepEqual([error.code, error.syscall, error.address, error.port], ['EADDRINUSE', 'listen', '127.0.0.1', port])
  assert.equal(error.errno, -os.constants.errno.EADDRINUSE)
  assert.equal(error.message, `listen EADDRINUSE: address already in use 127.0.0.1:${port}`)
  assert.equal(server.listening, false)
})

test('after an error, listen can be called again', async t => {
  const { port } = await serve(t, hello)
  const server = make(t, hello)
  server.on('error', () => server.listen(0, '127.0.0.1'))
  await new Promise(resolve => server.listen(port, '127.0.0.1').on('listening', resolve))
  assert.notEqual(server.address().port, port)
})

test("an address that is not the machine's is EADDRNOTAVAIL", async t => {
  const [error] = await once(make(t, hello).listen(0, '192.0.2.1'), 'error')
  assert.deepEqual([error.code, error.syscall], ['EADDRNOTAVAIL', 'listen'])
})

test('the path of a socket in a folder that does not exist is ENOENT', async t => {
  const [error] = await once(make(t, hello).listen('/nowhere/at/all.sock'), 'error')
  assert.equal(error.code, 'ENOENT')
})

test('a name that does not resolve is an error event', async t => {
  const [error] = await once(make(t, hello).listen(0, 'does-not-exist.invalid'), 'error')
  assert.equal(error.syscall, 'getaddrinfo')
})

test('a port that is free at one address of a name and taken at another is given up for one that is free at both', async t => {
  const addresses = Object.values(os.networkInterfaces()).flatMap(found => found.map(({ address }) => address))
  if (!addresses.includes('::1')) return t.skip('this machine has no IPv6')
  t.mock.method(dns, 'lookup', async () => [{ address: '127.0.0.1' }, { address: '::1' }])
  const other = new HttpEngine()
  t.after(() => other.close())
  const { listen } = HttpEngine.prototype
  t.mock.method(HttpEngine.prototype, 'listen', function (address, options) {
    // Whoever was quicker.
    if (address.startsWith('[::1]') && other.addresses.length === 0) listen.call(other, address)
    return listen.call(this, address, options)
  })
  const server = make(t, hello)
  await new Promise((resolve, reject) => server.listen(0, 'both.test', resolve).on('error', reject))
  const { port } = server.address()
  assert.notEqual(other.addresses[0], `[::1]:${port}`)
  assert.equal(await get(`http://[::1]:${port}`), 'hello')
})

test('an engine that cannot be made is an error event, and the server can listen again', async t => {
  for (const host of ['127.0.0.1', 'localhost']) {
    const server = make(t, hello)
    const failing = t.mock.method(HttpEngine.prototype, 'take', () => {
      throw new Error('of the engine')
    })
    const [error] = await once(server.listen(0, host), 'error')
    assert.equal(error.message, 'of the engine')
    failing.mock.restore()
    await once(server.listen(0, host), 'listening')
  }
})

test('a descriptor that does not listen is EINVAL', async t => {
  const file = fs.openSync(__filename, 'r')
  const [error] = await once(make(t, hello).listen({ fd: file }), 'error')
  assert.deepEqual([error.code, error.syscall, error.errno], ['EINVAL', 'listen', -os.constants.errno.EINVAL])
  assert.equal(error.message, 'listen EINVAL: invalid argument')
})

test('what is no port is refused at once', t => {
  for (const port of [-1, 65_536, 1.5, '70000']) {
    assert.throws(() => make(t, hello).listen(port), { name: 'RangeError', code: 'ERR_SOCKET_BAD_PORT' }, String(port))
  }
  assert.throws(() => make(t, hello).listen({}), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('a server listens once at a time', async t => {
  const { server } = await serve(t, hello)
  assert.throws(() => server.listen(0), { code: 'ERR_SERVER_ALREADY_LISTEN' })
})

test('an abort signal closes', async t => {
  const ends = new AbortController()
  const server = make(t, hello).listen({ port: 0, host: '127.0.0.1', signal: ends.signal })
  await once(server, 'listening')
  ends.abort()
  await once(server, 'close')
  assert.equal(server.address(), null)
})

test('an abort signal is not listened to any more after close, nor after an error', async t => {
  const { port } = await serve(t, hello)
  const { signal } = new AbortController()
  const ends = new AbortController()
  const server = make(t, hello).listen({ port: 0, host: '127.0.0.1', signal: ends.signal })
  await stop(server)
  await once(server.listen({ port, host: '127.0.0.1', signal }), 'error')
  assert.deepEqual([...getEventListeners(ends.signal, 'abort'), ...getEventListeners(signal, 'abort')], [])
  server.listen(0, '127.0.0.1')
  ends.abort()
  assert.equal(server.listening, true)
})

test('close waits for the responses that are under way, and refuses new connections', async t => {
  const asked = deferred()
  const { server, port, url } = await serve(t, (request, response) => asked.resolve(response))
  const answer = get(url)
  const response = await asked.promise
  const told = []
  server.on('close', () => told.push('close'))
  const closed = new Promise(resolve => server.close(error => resolve(told.push(error))))
  assert.equal(server.listening, false)
  const [refused] = await once(net.connect(port, '127.0.0.1'), 'error')
  assert.equal(refused.code, 'ECONNREFUSED')
  assert.deepEqual(told, [])
  response.end('late')
  assert.equal(await answer, 'late')
  await closed
  assert.deepEqual(told, ['close', undefined])
})

test('close is emitted once, when all has ended, however often it is asked for', async t => {
  const asked = deferred()
  const { server, url } = await serve(t, (request, response) => asked.resolve(response))
  const answer = fetch(url, { headers: { connection: 'close' } }).then(response => response.text())
  const response = await asked.promise
  const told = []
  server.on('close', () => told.push('close'))
  response.on('close', () => told.push('response'))
  server.close(error => told.push(error))
  const closed = new Promise(resolve => server.close(error => resolve(told.push(error.code))))
  await new Promise(setImmediate)
  response.end('late')
  await closed
  await answer
  await new Promise(setImmediate)
  assert.deepEqual(told, ['response', 'close', undefined, 'ERR_SERVER_NOT_RUNNING'])
})

test('closing what does not listen is ERR_SERVER_NOT_RUNNING', async () => {
  const error = await new Promise(resolve => createServer(hello).close(resolve))
  assert.equal(error.code, 'ERR_SERVER_NOT_RUNNING')
})

test('a server that was closed listens again', async t => {
  const { server } = await serve(t, hello)
  await stop(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  assert.equal(await get(`http://127.0.0.1:${server.address().port}`), 'hello')
})

test('closeIdleConnections leaves the requests that are under way', async t => {
  const asked = deferred()
  const { server, port } = await serve(t, (request, response) =>
    request.url === '/slow' ? asked.resolve(response) : response.end('hello'),
  )
  const idle = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await idle.until(/hello$/)
  const busy = connect(t, port).send('GET /slow HTTP/1.1', 'host: x', '', '')
  const response = await asked.promise
  server.closeIdleConnections()
  await idle.rest()
  response.end('done')
  await busy.until(/done$/)
})

test('closeAllConnections ends the requests that are under way, and the server serves on', async t => {
  const asked = deferred()
  const { server, port, url } = await serve(t, (request, response) =>
    request.url === '/slow' ? asked.resolve(response) : response.end('hello'),
  )
  const busy = connect(t, port).send('GET /slow HTTP/1.1', 'host: x', '', '')
  const response = await asked.promise
  const closed = once(response, 'close')
  server.closeAllConnections()
  assert.equal(await busy.rest(), '')
  await closed
  assert.equal(response.writableFinished, false)
  assert.equal(await get(url), 'hello')
})

test('getConnections counts', async t => {
  const { server, port } = await serve(t, hello)
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await client.until(/hello$/)
  const count = await new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))))
  assert.equal(count, 1)
})

test('an asynchronous dispose closes', async () => {
  const server = createServer(hello).listen(0)
  await server[Symbol.asyncDispose]()
  assert.equal(server.listening, false)
})

test('the timeouts of node:http are read, and can be set at any time', async t => {
  const { server, port } = await serve(t, { keepAliveTimeout: 60_000 }, hello)
  assert.deepEqual([server.keepAliveTimeout, server.headersTimeout, server.requestTimeout, server.timeout], [60_000, 30_000, 30_000, 0])
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await client.until(/hello$/)
  server.keepAliveTimeout = 10
  await client.rest()
  server.headersTimeout = 10
  const slow = connect(t, port).send('GET / HTTP/1.1', 'host:')
  assert.match(await slow.rest(), /^HTTP\/1\.1 408 /)
})

test('a listener may take as long as it likes, unless timeouts.handler says otherwise', async t => {
  const { url } = await serve(t, { timeouts: { handler: 0.01 } }, () => {})
  assert.equal((await fetch(url)).status, 503)
  assert.throws(() => createServer({ timeouts: { handler: -1 } }), { code: 'ERR_HOSTLOOP_INVALID' })
})

test('options bound a request', async t => {
  const { url } = await serve(t, { limits: { bodyBytes: 10 }, maxHeaderSize: 1024 }, hello)
  assert.equal((await fetch(url, { method: 'POST', body: 'x'.repeat(11) })).status, 413)
  assert.equal((await fetch(url, { headers: { big: 'x'.repeat(2000) } })).status, 431)
  const many = createServer(hello)
  many.maxHeadersCount = 3
  many.listen(0, '127.0.0.1')
  t.after(() => stop(many))
  const client = connect(t, many.address().port).send('GET / HTTP/1.1', 'host: x', 'a: 1', 'b: 2', 'c: 3', '', '')
  assert.match(await client.rest(), /^HTTP\/1\.1 431 /)
})

test('what cannot be kept is refused', () => {
  assert.throws(() => createServer({ insecureHTTPParser: true }, hello), { code: 'ERR_HOSTLOOP_INVALID' })
})

test("the classes of requests and responses may be the application's", async t => {
  class Message extends http.IncomingMessage {
    get path() {
      return this.url.split('?')[0]
    }
  }
  class Reply extends http.ServerResponse {
    text(text) {
      this.setHeader('content-type', 'text/plain').end(text)
    }
  }
  const { url } = await serve(t, { IncomingMessage: Message, ServerResponse: Reply }, (request, response) => response.text(request.path))
  assert.equal(await get(`${url}/here?there`), '/here')
})

test('every listener of request is called', async t => {
  const { server, url } = await serve(t)
  const told = []
  server.on('request', () => told.push(1))
  server.on('request', (request, response) => response.end(String(told.push(2))))
  assert.equal(await get(url), '2')
})

test('what a listener throws is an uncaughtException, and other requests are served', async t => {
  const { url } = await serve(t, (request, response) => {
    if (request.url === '/throws') throw new Error('of the listener')
    response.end('hello')
  })
  const thrown = new Promise(resolve => process.setUncaughtExceptionCaptureCallback(resolve))
  t.after(() => process.setUncaughtExceptionCaptureCallback(null))
  const abandoned = new AbortController()
  const lost = fetch(`${url}/throws`, { signal: abandoned.signal })
  assert.equal((await thrown).message, 'of the listener')
  assert.equal(await get(url), 'hello')
  abandoned.abort()
  await assert.rejects(lost, { name: 'AbortError' })
})

test('what an asynchronous listener rejects with is a 500 where captureRejections is on', async t => {
  EventEmitter.captureRejections = true
  t.after(() => (EventEmitter.captureRejections = false))
  const { server, url } = await serve(t, async (request, response) => {
    response.setHeader('x-secret', '1')
    if (request.url === '/begun') response.write('half')
    throw new Error('of the listener')
  })
  const response = await fetch(url)
  assert.deepEqual([response.status, response.headers.get('x-secret'), await response.text()], [500, null, 'Internal Server Error'])
  await assert.rejects(fetch(`${url}/begun`).then(response => response.text()))
  const rejected = once(server, 'error')
  server.on('custom', async () => {
    throw new Error('of another')
  })
  server.emit('custom')
  assert.equal((await rejected)[0].message, 'of another')
})

test('a server that is unreferenced does not keep the process', async () => {
  const { execFile } = require('node:child_process')
  const program = `require(${JSON.stringify(require.resolve('../dist/http/node'))}).createServer().listen(0).unref()`
  await new Promise((resolve, reject) =>
    execFile(process.execPath, ['-e', program], { timeout: 10_000 }, error => (error ? reject(error) : resolve())),
  )
})
