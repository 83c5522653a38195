/** What createServer, its properties and listen refuse, as node:http does; nothing that is wrong means that there is no limit. */

const assert = require('node:assert/strict')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')
const { inspect } = require('node:util')

const { connect, createServer, serve, stop } = require('./support/node-http')

const hello = (request, response) => response.end('hello')

const WRONG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
const OUT_OF_RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
const INVALID = { name: 'InvalidError', code: 'ERR_HOSTLOOP_INVALID' }
const NO_PLACE = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }
const BAD_PORT = { name: 'RangeError', code: 'ERR_SOCKET_BAD_PORT' }

class Stranger {}

/** Each value of each name, as an option of its own. */
function* each(table) {
  for (const [name, values] of Object.entries(table)) for (const value of values) yield [name, value]
}

/** What a server of node:http throws for the same, if anything. */
function errorOf(make) {
  try {
    make()
  } catch ({ name, code }) {
    return { name, code }
  }
}

const TYPES = {
  highWaterMark: ['x', null],
  headersTimeout: ['5', null, {}],
  requestTimeout: ['x', null],
  keepAliveTimeout: ['5', null],
  connectionsCheckingInterval: ['x', null],
  maxHeaderSize: ['x', null],
  keepAliveInitialDelay: ['x'],
  joinDuplicateHeaders: [5, null],
  rejectNonStandardBodyWrites: [1, null],
  insecureHTTPParser: [1, 'x', null],
  requireHostHeader: [5, null],
}

const RANGES = {
  headersTimeout: [-1, Number.NaN, 1.5, Number.POSITIVE_INFINITY],
  requestTimeout: [-1, Number.NaN],
  keepAliveTimeout: [-1, Number.NaN, 1.5],
  connectionsCheckingInterval: [-1],
  maxHeaderSize: [-1, 1.5],
}

test('options of a wrong type or range are refused with the errors of node:http', () => {
  for (const [name, value] of [...each(TYPES), ...each(RANGES)]) {
    const expected = errorOf(() => http.createServer({ [name]: value }))
    assert.notEqual(expected, undefined, name)
    assert.throws(() => createServer({ [name]: value }, hello), expected, `${name}: ${inspect(value)}`)
  }
})

test('what node:http takes until a request comes is refused before', () => {
  for (const highWaterMark of [-1, 1.5, Number.NaN]) assert.throws(() => createServer({ highWaterMark }, hello), OUT_OF_RANGE)
  for (const wrong of [5, 'x', Stranger, () => {}]) {
    assert.throws(() => createServer({ IncomingMessage: wrong }, hello), WRONG_TYPE)
    assert.throws(() => createServer({ ServerResponse: wrong }, hello), WRONG_TYPE)
  }
})

test('what the engine cannot keep is refused when the server is made', () => {
  const cannot = [
    { insecureHTTPParser: true },
    { requireHostHeader: false },
    { uniqueHeaders: ['x-a'] },
    { maxHeaderSize: 2 ** 21 },
    { logger: {} },
    { logger: null },
    { accessLog: 5 },
    { limits: 5 },
    { limits: null },
    { timeouts: [] },
  ]
  for (const options of cannot) assert.throws(() => createServer(options, hello), INVALID, inspect(options))
})

test('options are an object, and a listener is a function', () => {
  for (const options of ['x', 5, true, [], Symbol('x')]) assert.throws(() => createServer(options, hello), WRONG_TYPE, inspect(options))
  for (const listener of [5, 'x', {}]) assert.throws(() => createServer({}, listener), WRONG_TYPE, inspect(listener))
})

test('null stands for no options, and for no listener', async t => {
  const { url } = await serve(t, null, hello)
  assert.equal(await (await fetch(url)).text(), 'hello')
  assert.equal(createServer({}, null).listenerCount('request'), 0)
  assert.equal(createServer(null).listenerCount('request'), 0)
})

test('options that are right, or that change nothing, are taken', async t => {
  const options = {
    highWaterMark: 1024,
    IncomingMessage: class extends http.IncomingMessage {},
    ServerResponse: http.ServerResponse,
    insecureHTTPParser: false,
    requireHostHeader: true,
    uniqueHeaders: [],
    connectionsCheckingInterval: 500,
    maxHeaderSize: 0,
    noDelay: false,
    keepAlive: true,
    keepAliveInitialDelay: 5,
    requestTimeout: 1001,
    headersTimeout: Number.MAX_SAFE_INTEGER,
    keepAliveTimeout: 0,
    logger: console,
  }
  const { server, url } = await serve(t, options, hello)
  assert.equal(await (await fetch(url)).text(), 'hello')
  assert.deepEqual([server.requestTimeout, server.headersTimeout, server.keepAliveTimeout], [1001, 999_999_999_000, 0])
})

test('a time that is none is refused where it is assigned, and the old one holds', async t => {
  const { server, port } = await serve(t, { headersTimeout: 20, keepAliveTimeout: 20, requestTimeout: 20 }, hello)
  for (const name of ['headersTimeout', 'requestTimeout', 'keepAliveTimeout', 'timeout']) {
    const before = server[name]
    for (const wrong of ['x', '5', null, undefined]) assert.throws(() => (server[name] = wrong), WRONG_TYPE, `${name} = ${wrong}`)
    for (const wrong of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      assert.throws(() => (server[name] = wrong), OUT_OF_RANGE, `${name} = ${wrong}`)
    assert.equal(server[name], before)
  }
  const slow = connect(t, port).send('GET / HTTP/1.1', 'host:')
  assert.match(await slow.rest(), /^HTTP\/1\.1 408 /)
})

test('setTimeout takes a time, a callback, both or none', () => {
  const server = createServer(hello)
  assert.throws(() => server.setTimeout('x'), WRONG_TYPE)
  assert.throws(() => server.setTimeout(-1), OUT_OF_RANGE)
  assert.throws(() => server.setTimeout(5, 5), WRONG_TYPE)
  assert.equal(server.setTimeout(5, null).timeout, 5)
  assert.equal(server.setTimeout().timeout, 0)
  assert.equal(server.listenerCount('timeout'), 0)
  assert.equal(server.setTimeout(() => {}).listenerCount('timeout'), 1)
})

test('a timeout longer than any timer waits', async t => {
  const { server, url } = await serve(t, (request, response) => setImmediate(() => response.end(String(request.socket.timeout))))
  server.timeout = 2 ** 40
  assert.equal(await (await fetch(url)).text(), String(2 ** 31 - 1))
})

test('numbers that are none are refused where they are assigned, and null is the default', () => {
  const server = createServer({ limits: { headerCount: 7, connections: 8 } }, hello)
  for (const wrong of ['x', {}]) {
    assert.throws(() => (server.maxHeadersCount = wrong), WRONG_TYPE)
    assert.throws(() => (server.maxConnections = wrong), WRONG_TYPE)
  }
  for (const wrong of [-1, 1.5, Number.NaN]) {
    assert.throws(() => (server.maxHeadersCount = wrong), OUT_OF_RANGE)
    assert.throws(() => (server.maxConnections = wrong), OUT_OF_RANGE)
  }
  assert.throws(() => (server.maxConnections = 0), OUT_OF_RANGE)
  assert.deepEqual([server.maxHeadersCount, server.maxConnections], [7, 8])
  server.maxHeadersCount = server.maxConnections = null
  assert.deepEqual([server.maxHeadersCount, server.maxConnections], [100, 65_536])
})

test('a maxHeadersCount of 0 is the most that there is', async t => {
  const server = createServer({ maxHeaderSize: 2 ** 20 }, hello)
  server.maxHeadersCount = 0
  t.after(() => stop(server))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const fields = count => Array.from({ length: count }, (_, at) => `a${at}: 1`)
  const ask = count => connect(t, server.address().port).send('GET / HTTP/1.1', 'host: x', ...fields(count), '', '')
  await ask(24_575).until(/hello$/)
  assert.match(await ask(24_576).rest(), /^HTTP\/1\.1 431 /)
})

test('what is no place is refused before listen returns', () => {
  const places = [
    true,
    false,
    Symbol('x'),
    5n,
    [],
    {},
    { port: true },
    { port: [] },
    { port: {} },
    { path: 5 },
    { path: null },
    { path: '' },
  ]
  for (const place of [...places, { fd: 'x' }, { fd: -1 }]) assert.throws(() => createServer().listen(place), NO_PLACE, inspect(place))
  for (const port of ['', ' ', Number.NaN, 65_536]) {
    assert.throws(() => createServer().listen({ port }), BAD_PORT, inspect(port))
  }
})

test('what is wrong with a place is refused before listen returns', () => {
  const wrong = [{ host: 5 }, { reusePort: 1 }, { reusePort: 'x' }, { signal: 5 }, { signal: {} }]
  for (const part of wrong) assert.throws(() => createServer().listen({ port: 0, ...part }), WRONG_TYPE, inspect(part))
})

test('a server that has refused a place can listen at another', async t => {
  const server = createServer(hello)
  t.after(() => stop(server))
  assert.throws(() => server.listen(true), NO_PLACE)
  await once(server.listen({ port: null, host: '127.0.0.1' }), 'listening')
  assert.ok(server.address().port > 0)
})

test('a port is taken before a path, and a descriptor before both', async t => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hostloop-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'app.sock')
  const server = createServer(hello)
  t.after(() => stop(server))
  await once(server.listen({ port: 0, path: file, host: '127.0.0.1' }), 'listening')
  assert.equal(server.address().address, '127.0.0.1')
  const other = createServer(hello)
  t.after(() => stop(other))
  await once(other.listen({ port: undefined, path: file }), 'listening')
  assert.equal(other.address(), file)
})

test('a port is shared where each of its servers asks for that', async t => {
  const make = () => {
    const server = createServer(hello)
    t.after(() => stop(server))
    return server
  }
  const first = make().listen({ port: 0, host: '127.0.0.1', reusePort: true })
  await once(first, 'listening')
  const { port } = first.address()
  await once(make().listen({ port, host: '127.0.0.1', reusePort: true }), 'listening')
  const [error] = await once(make().listen({ port, host: '127.0.0.1' }), 'error')
  assert.equal(error.code, 'EADDRINUSE')
})

test('limits say how long a target may be, and how many fields there may be', async t => {
  const { port } = await serve(t, { limits: { targetBytes: 20, headerCount: 2 } }, hello)
  const long = connect(t, port).send(`GET /${'a'.repeat(20)} HTTP/1.1`, 'host: x', '', '')
  assert.match(await long.rest(), /^HTTP\/1\.1 414 /)
  const many = connect(t, port).send('GET / HTTP/1.1', 'host: x', 'a: 1', 'b: 1', '', '')
  assert.match(await many.rest(), /^HTTP\/1\.1 431 /)
})
