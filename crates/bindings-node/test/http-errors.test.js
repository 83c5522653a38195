// What goes wrong beside the handlers: errors that cannot be answered, listeners and loggers that throw. And where it is told.

const { test, describe } = require('node:test')
const assert = require('node:assert/strict')
const diagnostics = require('node:diagnostics_channel')
const net = require('node:net')

const { HTTPError } = require('../dist/errors')
const { HostResponse } = require('../dist/http/response')
const { Server } = require('../dist/http/server')

const SOON = { timeout: 5000 }

/** A logger that remembers, and takes the first argument alone into its lines, as pino does. */
function remembering() {
  const lines = []
  const thrown = []
  const at =
    level =>
    (text, ...more) => {
      lines.push(`${level} ${text}`)
      thrown.push(...more)
    }
  return { lines, thrown, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

/** Makes one request of one handler. */
async function answerOf(t, handler, options = {}) {
  const { lines, thrown, logger } = remembering()
  const server = new Server({ logger, ...options })
  t.after(() => server.close())
  server.route('GET', '/x', handler)
  const response = await server.fetch('/x')
  return { status: response.status, body: await response.text(), lines, thrown }
}

const throwing = error => () => {
  throw error
}

/** The errors that are nobody's while something runs. */
async function uncaught(call) {
  const kept = process.rawListeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  const errors = []
  process.on('uncaughtException', error => errors.push(error))
  try {
    await call()
    return errors
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of kept) process.on('uncaughtException', listener)
  }
}

describe('an error that cannot be answered', () => {
  for (const [name, error] of [
    ['what JSON cannot hold', new HTTPError(422, 'bad', { errors: [{ in: 'body', name: 'n', got: 1n, wanted: 'a number' }] })],
    ['a header of the engine', new HTTPError(404, 'none', { headers: { 'content-length': '1' } })],
  ]) {
    test(`${name}: a bare 500, and a line that names the request`, SOON, async t => {
      const answer = await answerOf(t, throwing(error))
      assert.deepEqual([answer.status, answer.body], [500, ''])
      assert.match(answer.lines[0], /^error hostloop: GET \/x: an error could not be answered/)
    })
  }
})

describe('what is returned and cannot be sent', () => {
  test('a header that was set later and would break the response', SOON, async t => {
    const answer = await answerOf(t, () => {
      const response = new HostResponse('abc')
      response.headers.set('x-a', '\x01')
      return response
    })
    assert.equal(answer.status, 500)
    assert.match(answer.thrown[0].message, /header x-a has the value "\\u0001"/)
  })

  test('an Error is thrown', async t => {
    const error = new Error('returned')
    const answer = await answerOf(t, () => error)
    assert.equal(answer.status, 500)
    assert.deepEqual(answer.thrown, [error])
    assert.equal((await answerOf(t, async () => new HTTPError(404))).status, 404)
  })

  for (const [name, value] of [
    ['a generator', (function* () {})()],
    ['an iterator', [].values()],
  ]) {
    test(`${name} that is not async is refused, with the fix`, async t => {
      const answer = await answerOf(t, () => value)
      assert.equal(answer.status, 500)
      assert.match(answer.thrown[0].message, /a generator that is not async; make it async/)
    })
  }

  for (const headers of [{ 'content-length': '7' }, { 'transfer-encoding': 'chunked' }]) {
    test(`${JSON.stringify(headers)} is refused by an InvalidError`, async t => {
      const answer = await answerOf(t, () => new HostResponse('abc', { headers }))
      assert.equal(answer.thrown[0].constructor.name, 'InvalidError')
    })
  }
})

describe('the log', () => {
  test('has the stack in the text, and the error beside it', async t => {
    const error = new Error('outer', { cause: new Error('inner') })
    const { lines, thrown } = await answerOf(t, throwing(error))
    assert.match(lines[0], /^error hostloop: GET \/x: the handler threw.*Error: outer\n {4}at .*http-errors.*Error: inner/s)
    assert.deepEqual(thrown, [error])
  })

  for (const [name, error, line] of [
    ['of 500 and above', new HTTPError(503, 'the database is down'), /^error hostloop: GET \/x: answered with 503.*database is down/s],
    [
      'with a cause',
      new HTTPError(409, 'taken', { cause: new Error('unique') }),
      /^warn hostloop: GET \/x: answered with 409.*Error: unique/s,
    ],
  ]) {
    test(`has an HTTPError ${name}`, async t => {
      const { lines } = await answerOf(t, throwing(error))
      assert.equal(lines.length, 1)
      assert.match(lines[0], line)
    })
  }

  test('has no other HTTPError, and not what clients send', async t => {
    assert.deepEqual((await answerOf(t, throwing(new HTTPError(404)))).lines, [])
    const { lines, logger } = remembering()
    const server = new Server({ logger })
    t.after(() => server.close())
    server.route('POST', '/', request => request.json())
    assert.equal((await server.fetch('/', { method: 'POST', body: '{' })).status, 422)
    assert.deepEqual(lines, [])
  })

  test('may throw: the response is sent all the same', SOON, async t => {
    const logger = { debug() {}, info: throwing(new Error('full')), warn() {}, error: throwing(new Error('full')) }
    t.mock.method(console, 'error', () => {})
    const { status } = await answerOf(t, throwing(new Error('of the handler')), { logger, accessLog: true })
    assert.equal(status, 500)
  })

  test('has no responses because somebody watches them', async t => {
    const seen = []
    const watch = access => seen.push(access)
    diagnostics.subscribe('hostloop:access', watch)
    t.after(() => diagnostics.unsubscribe('hostloop:access', watch))
    const { lines } = await answerOf(t, () => 'x')
    assert.deepEqual(lines, [])
    assert.deepEqual(
      seen.map(({ target, status }) => [target, status]),
      [['/x', 200]],
    )
    assert.match((await answerOf(t, () => 'x', { accessLog: true })).lines[0], /^info - "GET \/x HTTP\/1\.1" 200/)
  })
})

describe('a callback that throws', () => {
  test('loses nothing of what came with it', SOON, async t => {
    const server = new Server({ logger: remembering().logger })
    t.after(() => server.close())
    let ended = 0
    server.route('GET', '/', ({ exchange }) => {
      exchange.onEnded(() => (ended += 1))
      // What writes a stream waits so for room.
      exchange.onDrained(throwing(new Error('of a callback')))
      return new Promise(() => {})
    })
    const port = Number(server.listen('127.0.0.1:0').split(':')[1])
    const turn = () => new Promise(resolve => setImmediate(resolve))
    for (let count = 0; count < 4; count++)
      net
        .connect(port, '127.0.0.1')
        .on('error', () => {})
        .write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    while (server.status.requests < 4) await turn()
    const errors = await uncaught(async () => {
      server.disconnect(false)
      while (ended < 4) await turn()
    })
    assert.deepEqual(
      errors.map(error => error.message),
      Array(4).fill('of a callback'),
    )
  })
})
