// Responses that come piece by piece: when their head leaves, and what becomes of a source that nobody wants any more.

const { test, describe } = require('node:test')
const assert = require('node:assert/strict')
const { once, EventEmitter } = require('node:events')
const net = require('node:net')
const { Readable } = require('node:stream')

const { whenEnded } = require('../dist/http/request')
const { HostResponse } = require('../dist/http/response')
const { Server } = require('../dist/http/server')

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }
const SOON = { timeout: 5000 }

/** Serves one handler on a socket until the test has ended. */
function serving(t, handler, options = {}) {
  const errors = []
  const logger = { ...QUIET, error: (...line) => errors.push(line.at(-1)) }
  const server = new Server({ logger, ...options })
  server.route('GET', '/', handler)
  server.route('GET', '/alive', () => 'yes')
  const port = Number(server.listen('127.0.0.1:0').split(':')[1])
  t.after(() => server.close())
  return { server, port, errors }
}

/** Asks on a connection of its own. */
async function ask(port, method = 'GET') {
  const socket = net.connect(port, '127.0.0.1').on('error', () => {})
  await once(socket, 'connect')
  socket.write(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)
  return socket.setEncoding('latin1')
}

function deferred() {
  const parts = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

/** A stream that gives nothing until it is told to. */
function silent(onCancel = () => {}) {
  let controller
  const stream = new ReadableStream({ start: given => void (controller = given), cancel: onCancel })
  return { stream, give: text => controller.enqueue(Buffer.from(text)), end: () => controller.close() }
}

describe('the head of a streamed Response', () => {
  for (const Kind of [Response, HostResponse]) {
    test(`${Kind.name}: leaves before its first piece`, SOON, async t => {
      const source = silent()
      const { port } = serving(t, () => new Kind(source.stream, { headers: { 'content-type': 'text/event-stream' } }))
      const socket = await ask(port)
      const [head] = await once(socket, 'data')
      assert.match(head, /^HTTP\/1\.1 200 OK\r\n.*content-type: text\/event-stream/is)
      source.give('data: 1\n\n')
      const [piece] = await once(socket, 'data')
      assert.match(piece, /data: 1/)
      socket.destroy()
    })
  }

  test('is in time, however late the first piece is', SOON, async t => {
    const source = silent()
    const { server } = serving(t, () => new Response(source.stream), { timeouts: { handler: 0.05 } })
    const response = await server.fetch('/')
    assert.equal(response.status, 200)
    setTimeout(() => {
      source.give('late')
      source.end()
    }, 150)
    assert.equal(await response.text(), 'late')
  })

  for (const [name, make] of [
    ['text', () => new Response('whole')],
    ['a form', () => new Response(new URLSearchParams('a=b'))],
    ['a Blob', () => new Blob(['whole'])],
  ]) {
    test(`says how long the body is where it is there already: ${name}`, async t => {
      const { server } = serving(t, make)
      assert.ok(Number((await server.fetch('/')).headers.get('content-length')) > 0)
    })
  }
})

describe('a source that nobody wants any more', () => {
  test('is cancelled when the client leaves before its first piece', SOON, async t => {
    const cancelled = deferred()
    const arrived = deferred()
    const { port } = serving(t, () => {
      arrived.resolve()
      return new Response(silent(cancelled.resolve).stream)
    })
    const socket = await ask(port)
    await arrived.promise
    socket.destroy()
    await cancelled.promise
  })

  test('is ended when the client leaves in the middle of a flood', SOON, async t => {
    const ended = deferred()
    const { port, errors } = serving(t, async function* () {
      try {
        for (;;) yield 'x'.repeat(100)
      } finally {
        ended.resolve()
      }
    })
    const socket = await ask(port)
    await once(socket, 'data')
    socket.destroy()
    await ended.promise
    const alive = await fetch(`http://127.0.0.1:${port}/alive`)
    assert.deepEqual([await alive.text(), errors], ['yes', []])
  })

  test('is cancelled when the client wants no body', SOON, async t => {
    const [cancelled, ended] = [deferred(), deferred()]
    let makes
    const { port } = serving(t, () => makes())
    makes = () => new Response(silent(cancelled.resolve).stream)
    await ask(port, 'HEAD')
    await cancelled.promise
    makes = async function* () {
      try {
        for (;;) yield 'x'
      } finally {
        ended.resolve()
      }
    }
    await ask(port, 'HEAD')
    await ended.promise
  })

  /** Gives a source once the client has left, and waits until it is told that it has ended. */
  async function givenLate(t, make) {
    const arrived = deferred()
    const ended = deferred()
    const left = deferred()
    const { port } = serving(t, async request => {
      whenEnded(request, left.resolve)
      arrived.resolve()
      await left.promise
      return make(ended.resolve)
    })
    const socket = await ask(port)
    await arrived.promise
    socket.destroy()
    await ended.promise
  }

  test('is ended when it is given too late: a Response', SOON, t => givenLate(t, ended => new Response(silent(ended).stream)))
  test('is ended when it is given too late: a stream', SOON, t => givenLate(t, ended => silent(ended).stream))
  test("is ended when it is given too late: a stream of Node's", SOON, t =>
    givenLate(t, ended => new Readable({ read() {} }).on('close', ended)),
  )
  test('is ended when it is given too late: an iterator', SOON, t =>
    givenLate(t, ended => ({
      [Symbol.asyncIterator]() {
        return this
      },
      return: async () => ended(),
    })),
  )

  test('is cancelled when its response cannot be sent', SOON, async t => {
    const cancelled = deferred()
    const { server } = serving(t, () => {
      const response = new Response(silent(cancelled.resolve).stream)
      return Object.defineProperty(response, 'status', { value: 101 })
    })
    assert.equal((await server.fetch('/')).status, 500)
    await cancelled.promise
  })

  test("is destroyed when the client leaves in its middle: a stream of Node's that is silent", SOON, async t => {
    const told = new EventEmitter()
    const { port, errors } = serving(t, () => {
      const source = new Readable({ read() {} }).on('close', () => told.emit('closed'))
      source.push('first')
      return source
    })
    const closed = once(told, 'closed')
    const socket = await ask(port)
    await once(socket, 'data')
    socket.destroy()
    await closed
    await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(errors, [])
  })
})

describe('a source that throws', () => {
  const failing = ends => {
    let isBegun = false
    const pieces = {
      async next() {
        if (isBegun) throw new Error('of the source')
        isBegun = true
        return { done: false, value: 'first' }
      },
      return: ends,
    }
    return { [Symbol.asyncIterator]: () => pieces }
  }

  for (const [name, ends] of [
    ['throws at its end', () => assert.fail('of the end')],
    ['is rejected at its end', () => Promise.reject(new Error('of the end'))],
    ['never ends', () => new Promise(() => {})],
  ]) {
    test(`and ${name}: the error is told, and the connection is closed`, SOON, async t => {
      const told = deferred()
      const { port, errors } = serving(t, request => {
        whenEnded(request, (cause, failure) => told.resolve([cause, failure]))
        return failing(ends)
      })
      const socket = await ask(port)
      socket.resume()
      await once(socket, 'close')
      const [cause, failure] = await told.promise
      assert.equal(cause, 'cancelled')
      assert.equal(failure.message, 'of the source')
      assert.deepEqual(
        errors.map(error => error.message),
        ['of the source'],
      )
    })
  }
})
