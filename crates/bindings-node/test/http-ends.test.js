// How requests end: answered, left by their client, timed out, drained. Over real sockets.

const { test, describe } = require('node:test')
const assert = require('node:assert/strict')
const net = require('node:net')
const { once, EventEmitter } = require('node:events')

const { Server } = require('../dist/http/server')
const { whenEnded } = require('../dist/http/request')

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }

async function serving(routes, options = {}) {
  const server = new Server({ logger: QUIET, ...options })
  for (const [route, handler] of Object.entries(routes)) server.route(...route.split(' '), handler)
  const port = Number(server.listen('127.0.0.1:0').split(':')[1])
  return { server, port }
}

/** Sends bytes on a connection of its own. */
async function connect(port, text = '') {
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  if (text) socket.write(text)
  return socket
}

async function everything(socket) {
  const pieces = []
  for await (const piece of socket) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

/** Counts how often a signal is aborted, and tells when it first is. */
function watch(request) {
  const told = new EventEmitter()
  const seen = { aborts: 0, causes: [], told }
  request.signal.addEventListener('abort', () => {
    seen.aborts += 1
    told.emit('abort', request.signal.reason)
  })
  whenEnded(request, cause => seen.causes.push(cause))
  return seen
}

describe('a client that leaves', () => {
  test('before the answer aborts the signal once', async () => {
    const arrived = new EventEmitter()
    const { server, port } = await serving({
      'GET /': request => {
        arrived.emit('request', watch(request))
        return new Promise(() => {})
      },
    })
    const socket = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [seen] = await once(arrived, 'request')
    const aborted = once(seen.told, 'abort')
    socket.destroy()
    const [reason] = await aborted
    assert.equal(reason.code, 'ERR_HOSTLOOP_CLIENT_DISCONNECTED')
    await server.close()
    assert.deepEqual([seen.aborts, seen.causes], [1, ['disconnected']])
  })

  test('in the middle of its body rejects the read, and aborts the signal once', async () => {
    const arrived = new EventEmitter()
    const { server, port } = await serving({
      'POST /': async request => {
        const seen = watch(request)
        const read = request.text()
        arrived.emit('request', seen)
        arrived.emit(
          'read',
          await read.then(
            () => 'read',
            error => error.code,
          ),
        )
      },
    })
    const began = once(arrived, 'request')
    const read = once(arrived, 'read')
    const socket = await connect(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')
    const [seen] = await began
    socket.destroy()
    assert.deepEqual(await read, ['ERR_HOSTLOOP_CLIENT_DISCONNECTED'])
    await server.close()
    assert.deepEqual([seen.aborts, seen.causes], [1, ['disconnected']])
  })

  test('in the middle of a stream ends its source, and aborts the signal once', async () => {
    const told = new EventEmitter()
    const { server, port } = await serving({
      'GET /': async function* (request) {
        told.emit('request', watch(request))
        try {
          for (;;) yield Buffer.alloc(64 * 1024)
        } finally {
          told.emit('finally')
        }
      },
    })
    const began = once(told, 'request')
    const ended = once(told, 'finally')
    const socket = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [seen] = await began
    await once(socket, 'data')
    socket.destroy()
    await ended
    await server.close()
    assert.equal(seen.aborts, 1)
    assert.equal(seen.causes.length, 1)
  })

  test('while a stream waits for its source cancels that', async () => {
    const told = new EventEmitter()
    const { server, port } = await serving({
      'GET /': () =>
        new ReadableStream({
          start: controller => controller.enqueue(Buffer.from('first')),
          pull: () => new Promise(() => {}),
          cancel: () => void told.emit('cancelled'),
        }),
    })
    const socket = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
    const cancelled = once(told, 'cancelled')
    socket.destroy()
    await cancelled
    await server.close()
  })

  test('together with others gives its body to nobody', async () => {
    const told = new EventEmitter()
    let left
    const { server, port } = await serving({
      'POST /left': request => {
        left = request
        told.emit('left')
        return new Promise(() => {})
      },
      'POST /next': request => request.text(),
      // What the engine tells in one turn: this, that the other has left, and that the next has come.
      'GET /read': async () => {
        const read = left.text().then(
          text => `read ${text}`,
          error => error.name,
        )
        told.emit('read', read)
        return ''
      },
    })
    const [leaving, reading, next] = [await connect(port), await connect(port), await connect(port)]
    leaving.write('POST /left HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nmine')
    await once(told, 'left')
    const read = once(told, 'read')
    reading.write('GET /read HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    leaving.resetAndDestroy()
    next.write('POST /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsecret')
    assert.match(await everything(next), /secret$/)
    const [seen] = await read
    assert.match(await seen, /^(read mine|StaleError|ClientDisconnected)$/)
    reading.destroy()
    await server.close()
  })

  test('is not known by a request that was answered', async () => {
    let seen
    const { server, port } = await serving({
      'GET /': request => {
        seen = watch(request)
        return 'x'
      },
    })
    const socket = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    await server.drain()
    assert.deepEqual([seen.aborts, seen.causes], [0, ['done']])
  })
})

describe('timeouts', () => {
  test('a handler that never answers is a 503, and its signal is aborted', async () => {
    const seen = []
    const { server, port } = await serving(
      {
        'GET /': request => {
          seen.push(watch(request))
          return new Promise(() => {})
        },
      },
      { timeouts: { handler: 0.05 } },
    )
    const socket = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    assert.match(await everything(socket), /^HTTP\/1.1 503 /)
    await server.close()
    assert.deepEqual([seen[0].aborts, seen[0].causes], [1, ['timed out']])
  })

  test('what a handler returns too late goes nowhere, without an error', async () => {
    const errors = []
    let answerLate
    const { server, port } = await serving(
      { 'GET /': () => new Promise(resolve => (answerLate = resolve)) },
      { timeouts: { handler: 0.05 }, logger: { ...QUIET, error: (...line) => errors.push(line) } },
    )
    const socket = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await everything(socket)
    answerLate('late')
    await new Promise(setImmediate)
    await server.close()
    assert.deepEqual(errors, [])
  })
})

describe('the end of a server', () => {
  test('a drain answers what is under way, and closes idle connections', async () => {
    let answer
    const arrived = new EventEmitter()
    const { server, port } = await serving({
      'GET /': () =>
        new Promise(resolve => {
          answer = resolve
          arrived.emit('request')
        }),
      'GET /idle': () => 'idle',
    })
    const idle = await connect(port, 'GET /idle HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(idle, 'data')
    const began = once(arrived, 'request')
    const busy = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await began
    const drained = server.drain()
    assert.equal(await everything(idle), '')
    answer('answered')
    assert.match(await everything(busy), /connection: close[^]*answered$/)
    await drained
  })

  test('a drain is cut short at its deadline', async () => {
    const arrived = new EventEmitter()
    let seen
    const { server, port } = await serving({
      'GET /': request => {
        seen = watch(request)
        arrived.emit('request')
        return new Promise(() => {})
      },
    })
    const began = once(arrived, 'request')
    const socket = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await began
    await server.drain(0.05)
    assert.match(await everything(socket), /^HTTP\/1.1 503 /)
    assert.deepEqual([seen.aborts, seen.causes], [1, ['drained']])
  })

  test('a request whose body is refused as it comes is answered for, whatever its handler says', async () => {
    const { server, port } = await serving({ 'POST /': () => 'at once' })
    for (const body of ['zz\r\n', '5\r\nhelloXX', '0\r\nnot a trailer\r\n\r\n']) {
      const socket = await connect(port, `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`)
      assert.match(await everything(socket), /^HTTP\/1.1 400 /)
    }
    await server.close()
  })

  test('a drain without end waits for what takes longer than the setting', async () => {
    const late = new EventEmitter()
    const { server, port } = await serving(
      {
        'GET /': async () => {
          setTimeout(() => late.emit('answer'), 100)
          await once(late, 'answer')
          return 'late'
        },
      },
      { timeouts: { drain: 0.02 } },
    )
    const socket = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(late, 'newListener')
    await server.drain(null)
    assert.match(await everything(socket), /^HTTP\/1.1 200 .*late$/s)
  })

  test('what a handler answers to an engine that has just ended goes nowhere, without an error', async () => {
    const lines = []
    const keep = line => void lines.push(line)
    let server
    const routes = {
      'GET /now': () => {
        server.close()
        return 'x'
      },
      'GET /then': async () => {
        await server.close()
        throw new Error('after the end')
      },
      'GET /stream': async function* () {
        server.close()
        yield 'x'
      },
    }
    for (const path of ['/now', '/then', '/stream']) {
      const made = await serving(routes, { logger: { ...QUIET, error: keep } })
      server = made.server
      const socket = await connect(made.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      await everything(socket)
      await server.close()
    }
    assert.equal(lines.length, 1, 'the error is the handler’s own')
    assert.match(lines[0], /after the end/)
  })

  test('a closed server refuses to be used, and can be closed again', async () => {
    const { server } = await serving({})
    await server.close()
    await server.close()
    await server.drain()
    assert.throws(() => server.listen('127.0.0.1:0'), { code: 'ERR_HOSTLOOP_CLOSED' })
    await assert.rejects(server.fetch('/'), { code: 'ERR_HOSTLOOP_CLOSED' })
  })

  test('an address that is taken is named', async () => {
    const { server, port } = await serving({})
    const other = new Server()
    assert.throws(() => other.listen(`127.0.0.1:${port}`), {
      code: 'ERR_HOSTLOOP_ADDRESS',
      message: new RegExp(`127.0.0.1:${port}: another socket`),
    })
    assert.throws(() => other.listen('nonsense'), { code: 'ERR_HOSTLOOP_INVALID' })
    await Promise.all([server.close(), other.close()])
  })
})

describe('backpressure', () => {
  test('a stream waits for a client that does not read', async () => {
    let pieces = 0
    const { server, port } = await serving(
      {
        'GET /': async function* () {
          for (; pieces < 10_000; pieces++) yield Buffer.alloc(64 * 1024)
        },
      },
      { limits: { streamBytes: 256 * 1024 } },
    )
    const socket = await connect(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    socket.pause()
    // It comes to rest: the same number twice, a while apart.
    for (let before = -1; before !== pieces || pieces === 0; ) {
      before = pieces
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    assert.ok(pieces < 500, `${pieces} pieces were taken from the source`)
    let received = 0
    socket.on('data', bytes => (received += bytes.length)).resume()
    await once(socket, 'close')
    assert.equal(pieces, 10_000)
    assert.ok(received > 10_000 * 64 * 1024)
    await server.close()
  })

  test('a body that nobody reads is not taken from its client', async () => {
    const arrived = new EventEmitter()
    let go
    const { server, port } = await serving(
      {
        'POST /': async request => {
          arrived.emit('request')
          await new Promise(resolve => (go = resolve))
          return String((await request.arrayBuffer()).byteLength)
        },
      },
      { limits: { bodyBytes: 64 * 1024 * 1024 } },
    )
    const began = once(arrived, 'request')
    const socket = await connect(port, `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${48 * 1024 * 1024}\r\n\r\n`)
    const body = Buffer.alloc(1024 * 1024)
    const sending = (async () => {
      for (let sent = 0; sent < 48; sent++) if (!socket.write(body)) await once(socket, 'drain')
    })()
    await began
    assert.ok(socket.bytesWritten < 24 * 1024 * 1024, `${socket.bytesWritten} bytes were taken`)
    go()
    await sending
    assert.match(await everything(socket), new RegExp(`${48 * 1024 * 1024}$`))
    await server.close()
  })
})
