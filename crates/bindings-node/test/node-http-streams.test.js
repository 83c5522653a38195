/** Bodies that are large, slow, or cut off, in both directions, with `createServer`. */

const assert = require('node:assert/strict')
const { createHash, randomBytes } = require('node:crypto')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const { finished, pipeline, Readable, Writable } = require('node:stream')
const { pipeline: piped } = require('node:stream/promises')
const { test } = require('node:test')
const { setTimeout: wait } = require('node:timers/promises')

const { connect, deferred, recorder, serve } = require('./support/node-http')

const MIB = 1024 * 1024
const hashOf = bytes => createHash('sha256').update(bytes).digest('hex')

function folder(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hostloop-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  return folder
}

test('files are piped out', async t => {
  const file = path.join(folder(t), 'file')
  const bytes = randomBytes(5 * MIB)
  fs.writeFileSync(file, bytes)
  const { url } = await serve(t, (request, response) => fs.createReadStream(file).pipe(response))
  assert.equal(hashOf(Buffer.from(await (await fetch(url)).arrayBuffer())), hashOf(bytes))
})

test('bodies are piped into files', async t => {
  const file = path.join(folder(t), 'file')
  const bytes = randomBytes(20 * MIB)
  const { url } = await serve(t, async (request, response) => {
    await piped(request, fs.createWriteStream(file))
    response.end('saved')
  })
  assert.equal(await (await fetch(url, { method: 'POST', body: bytes })).text(), 'saved')
  assert.equal(hashOf(fs.readFileSync(file)), hashOf(bytes))
})

test('a body is echoed while it comes', async t => {
  const bytes = randomBytes(8 * MIB)
  const { url } = await serve(t, (request, response) => pipeline(request, response, () => {}))
  const response = await fetch(url, { method: 'POST', body: bytes })
  assert.equal(hashOf(Buffer.from(await response.arrayBuffer())), hashOf(bytes))
})

test('a body that is chunked is read', async t => {
  const { url } = await serve(t, async (request, response) => {
    assert.equal(request.headers['transfer-encoding'], 'chunked')
    let length = 0
    for await (const chunk of request) length += chunk.length
    response.end(String(length))
  })
  const body = Readable.toWeb(Readable.from([Buffer.alloc(1000), Buffer.alloc(70_000), Buffer.alloc(1)]))
  assert.equal(await (await fetch(url, { method: 'POST', body, duplex: 'half' })).text(), '71001')
})

test('a large response that ends at once arrives whole', async t => {
  const bytes = randomBytes(30 * MIB)
  const { url } = await serve(t, (request, response) => response.end(bytes))
  const response = await fetch(url)
  assert.equal(response.headers.get('content-length'), String(bytes.length))
  assert.equal(hashOf(Buffer.from(await response.arrayBuffer())), hashOf(bytes))
})

test('write says when there is no room, and drain when there is', async t => {
  const seen = { refusals: 0, drains: 0, most: 0 }
  const piece = Buffer.alloc(64 * 1024, 'x')
  const pieces = 800
  const { url } = await serve(t, async (request, response) => {
    response.on('drain', () => (seen.drains += 1))
    for (let at = 0; at < pieces; at++) {
      if (response.write(piece)) continue
      seen.refusals += 1
      assert.equal(response.writableNeedDrain, true)
      seen.most = Math.max(seen.most, response.writableLength)
      await once(response, 'drain')
      assert.equal(response.writableNeedDrain, false)
    }
    response.end()
  })
  let length = 0
  for await (const chunk of (await fetch(url)).body) length += chunk.length
  assert.equal(length, pieces * piece.length)
  assert.equal(seen.drains, seen.refusals)
  assert.ok(seen.refusals > 0)
  assert.ok(seen.most <= 2 * piece.length, `${seen.most} bytes waited`)
})

test('a client that does not read stops the source', async t => {
  const stopped = deferred()
  let written = 0
  const { port } = await serve(t, (request, response) => {
    const piece = Buffer.alloc(64 * 1024)
    // A source that ends when nothing has moved between two looks.
    const write = () => {
      while (response.write(piece)) written += piece.length
      response.once('drain', write)
    }
    write()
    let last = -1
    const look = setInterval(() => {
      if (written === last) stopped.resolve()
      last = written
    }, 200)
    response.on('close', () => clearInterval(look))
  })
  const client = connect(t, port)
  client.socket.pause()
  client.send('GET / HTTP/1.1', 'host: x', '', '')
  await stopped.promise
  assert.ok(written < 20 * MIB, `${written} bytes were taken from the source`)
})

test('a body that nobody reads is not taken from its client', async t => {
  const asked = deferred()
  const { port } = await serve(t, (request, response) => asked.resolve({ request, response }))
  const client = connect(t, port).send('POST / HTTP/1.1', 'host: x', `content-length: ${64 * MIB}`, '', '')
  const { request } = await asked.promise
  const piece = Buffer.alloc(MIB)
  let sent = 0
  while (sent < 64 && client.socket.write(piece)) sent += 1
  for (; sent < 64; sent++) client.socket.write(piece)
  request.once('readable', () => {})
  await once(request, 'readable')
  assert.ok(request.readableLength < MIB, `${request.readableLength} bytes were read ahead`)
  assert.ok(client.socket.writableLength > 32 * MIB)
})

test('a response may come before the body', async t => {
  const { told, record } = recorder()
  const { port } = await serve(t, (request, response) => {
    record('request', request, 'aborted', 'error', 'close')
    response.end(`early ${request.url}`)
  })
  const client = connect(t, port).send('POST /1 HTTP/1.1', 'host: x', 'content-length: 10', '', '')
  await client.until(/early \/1$/)
  client.send('0123456789POST /2 HTTP/1.1', 'host: x', 'content-length: 0', '', '')
  await client.until(/early \/2$/)
  assert.deepEqual(told, ['request close', 'request close'])
})

test('a body that is being taken is read on after the response has ended', async t => {
  const taken = deferred()
  const { port } = await serve(t, (request, response) => {
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => taken.resolve(Buffer.concat(chunks).toString()))
    response.setHeader('content-length', 5)
    response.end('early')
  })
  const client = connect(t, port).send('POST / HTTP/1.1', 'host: x', 'content-length: 10', '', '01234')
  await client.until(/early/)
  client.send('56789')
  assert.equal(await taken.promise, '0123456789')
  await client.until(/\r\n0\r\n\r\n$/)
})

test('a body that goes on coming is read to its end after the response, however long that takes', async t => {
  const taken = deferred()
  const { port } = await serve(t, (request, response) => {
    let text = ''
    request.on('data', chunk => (text += chunk))
    request.on('end', () => taken.resolve(text))
    request.once('data', () => response.end('early'))
  })
  const client = connect(t, port).send('POST / HTTP/1.1', 'host: x', 'content-length: 6', '', '0')
  await client.until(/early/)
  for (const digit of '12345') {
    // In all longer than the response waits for a body that has stalled.
    await wait(300)
    client.send(digit)
  }
  assert.equal(await taken.promise, '012345')
  await client.until(/\r\n0\r\n\r\n$/)
})

test('a response ends before the body where that stalls, for its client or for its sink', async t => {
  const { port } = await serve(t, (request, response) => {
    if (request.url === '/sink') request.pipe(new Writable({ write() {} }))
    request.on('error', () => {})
    let length = 0
    request.on('data', chunk => {
      if (length === 0) response.end('early')
      length += chunk.length
    })
  })
  const waiting = connect(t, port).send('POST /client HTTP/1.1', 'host: x', 'content-length: 10', '', '01234')
  const sending = connect(t, port).send('POST /sink HTTP/1.1', 'host: x', `content-length: ${MIB}`, '', 'x'.repeat(MIB / 2))
  await waiting.until(/early\r\n0\r\n\r\n$/)
  await sending.until(/early\r\n0\r\n\r\n$/)
})

test('a client that leaves in the middle of its body aborts the request', async t => {
  const { told, record } = recorder()
  const seen = deferred()
  const { port } = await serve(t, (request, response) => {
    record('request', request, 'aborted', 'end')
    record('response', response, 'finish', 'close')
    record('socket', request.socket, 'close')
    request.on('error', error => told.push(`request error ${error.code}`))
    request.on('close', () => seen.resolve({ request, response }))
    request.once('data', () => client.leave())
  })
  const client = connect(t, port).send('POST / HTTP/1.1', 'host: x', 'content-length: 10', '', 'half')
  const { request, response } = await seen.promise
  assert.deepEqual(told, ['request aborted', 'response close', 'socket close', 'request error ECONNRESET'])
  assert.deepEqual(
    [request.aborted, request.complete, request.destroyed, response.destroyed, request.socket.destroyed],
    [true, false, true, true, true],
  )
})

test('a client that leaves before its response closes request and response', async t => {
  const { told, record } = recorder()
  const closed = deferred()
  const { port } = await serve(t, (request, response) => {
    record('request', request, 'aborted', 'end', 'close')
    record('response', response, 'finish', 'close')
    request.on('close', closed.resolve)
    client.leave()
    response.on('close', () => {
      const isRoom = response.write('nobody')
      assert.equal(isRoom, false)
      response.end('there')
    })
  })
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await closed.promise
  await new Promise(setImmediate)
  assert.deepEqual(told, ['request aborted', 'response close', 'request close'])
})

test('a client that leaves in the middle of its response ends the source', async t => {
  const source = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(16 * 1024)
    })(),
  )
  const ended = deferred()
  const { port } = await serve(t, (request, response) => pipeline(source, response, ended.resolve))
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await client.until(/200 OK/)
  client.leave()
  assert.equal((await ended.promise).code, 'ERR_STREAM_PREMATURE_CLOSE')
  assert.equal(source.destroyed, true)
})

test('an error in the source closes the connection', async t => {
  const failing = (async function* () {
    yield 'half'
    await new Promise(setImmediate)
    throw new Error('of the source')
  })()
  const ended = deferred()
  const { port } = await serve(t, (request, response) => pipeline(failing, response, ended.resolve))
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  assert.equal((await ended.promise).message, 'of the source')
  assert.doesNotMatch(await client.rest(), /\r\n0\r\n/)
})

test('destroy in the middle closes the connection, whoever is destroyed', async t => {
  const { told, record } = recorder()
  const { port } = await serve(t, (request, response) => {
    record(request.url, response, 'close', 'finish')
    response.write('half')
    const whom = { '/response': response, '/request': request, '/socket': request.socket }[request.url]
    setImmediate(() => {
      assert.equal(whom.destroy(), whom)
      assert.equal(whom.destroyed, true)
      assert.equal(whom.destroy(), whom)
    })
  })
  for (const path of ['/response', '/request', '/socket']) {
    const text = await connect(t, port).send(`GET ${path} HTTP/1.1`, 'host: x', '', '').rest()
    assert.doesNotMatch(text, /\r\n0\r\n/)
  }
  assert.deepEqual(told, ['/response close', '/request close', '/socket close'])
})

test('destroying with an error keeps it', async t => {
  const closed = deferred()
  const { port } = await serve(t, (request, response) => {
    response.on('close', () => closed.resolve(response))
    response.destroy(new Error('why'))
  })
  connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  assert.equal((await closed.promise).errored.message, 'why')
})

test('a response that has ended arrives though its request is destroyed', async t => {
  const { url } = await serve(t, (request, response) => {
    response.end('whole')
    request.destroy()
  })
  assert.equal(await (await fetch(url)).text(), 'whole')
})

test('finished tells of both ends', async t => {
  const told = []
  const all = deferred()
  const note = name => error => {
    told.push(`${name} ${error?.code ?? 'done'}`)
    if (told.length === 4) all.resolve()
  }
  const { url, port } = await serve(t, (request, response) => {
    const name = request.url
    finished(response, note(`${name} response`))
    finished(request, note(`${name} request`))
    if (name === '/whole') request.resume().on('end', () => response.end('whole'))
    else request.once('data', () => client.leave())
  })
  await (await fetch(`${url}/whole`, { method: 'POST', body: 'x' })).text()
  const client = connect(t, port).send('POST /cut HTTP/1.1', 'host: x', 'content-length: 10', '', 'half')
  await all.promise
  assert.deepEqual(told.sort(), [
    '/cut request ECONNRESET',
    '/cut response ERR_STREAM_PREMATURE_CLOSE',
    '/whole request done',
    '/whole response done',
  ])
})

test('a response that is longer than its head says is closed', async t => {
  const { port } = await serve(t, (request, response) => {
    response.on('error', () => {})
    response.writeHead(200, { 'content-length': 4 })
    response.write('four')
    setImmediate(() => response.write('five'))
    setImmediate(() => response.end())
  })
  const text = await connect(t, port).send('GET / HTTP/1.1', 'host: x', 'connection: close', '', '').rest()
  assert.match(text, /\r\n\r\nfour$/)
})

test('a response of a length that is written piece by piece is sent so', async t => {
  const { told, record } = recorder()
  const closed = deferred()
  const left = deferred()
  const { port } = await serve(t, (request, response) => {
    record('response', response, 'finish', 'close')
    response.on('close', closed.resolve)
    response.writeHead(200, { 'content-length': 8 })
    response.write('four')
    setImmediate(() => response.write('five'))
    // The engine knows that it is whole; `finish` waits for `end`.
    left.promise.then(() => response.end())
  })
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  await client.until(/content-length: 8[^]*\r\n\r\nfourfive$/)
  assert.deepEqual(told, [])
  left.resolve()
  await closed.promise
  assert.deepEqual(told, ['response finish', 'response close'])
})

test('requests that are sent ahead are answered in order', async t => {
  const { port } = await serve(t, (request, response) => {
    const answer = () => response.end(`<${request.url}>`)
    if (request.url === '/0') setTimeout(answer, 30)
    else answer()
  })
  const client = connect(t, port)
  client.socket.write([0, 1, 2, 3].map(at => `GET /${at} HTTP/1.1\r\nhost: x\r\n\r\n`).join(''))
  await client.until(/<\/3>$/)
  assert.deepEqual(client.text.match(/<\/\d>/g), ['</0>', '</1>', '</2>', '</3>'])
})

test('a connection serves a thousand requests', async t => {
  const ports = new Set()
  const { url } = await serve(t, (request, response) => {
    ports.add(request.socket.remotePort)
    response.end(request.url)
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  for (let at = 0; at < 1000; at++) {
    const [response] = await once(http.get(`${url}/${at}`, { agent }), 'response')
    let text = ''
    for await (const chunk of response) text += chunk
    assert.equal(text, `/${at}`)
  }
  assert.equal(ports.size, 1)
})

test('a socket that is silent for too long emits timeout, and closes unless somebody hears it', async t => {
  const heard = []
  const { port } = await serve(t, (request, response) => {
    if (request.url === '/request') request.setTimeout(20, () => response.end('request'))
    if (request.url === '/response') response.setTimeout(20, () => response.end('response'))
    if (request.url === '/socket') request.socket.setTimeout(20, () => heard.push('socket'))
  })
  const headed = path => connect(t, port).send(`POST ${path} HTTP/1.1`, 'host: x', 'content-length: 1', '', '')
  await headed('/request').until(/request$/)
  await headed('/response').until(/response$/)
  assert.equal(await headed('/socket').rest(), '')
  assert.deepEqual(heard, ['socket'])
})

test('server.setTimeout is heard by the server', async t => {
  const { server, port } = await serve(t, () => {})
  let heard
  server.setTimeout(20, socket => {
    heard = socket.remotePort
    socket.destroy()
  })
  const client = connect(t, port)
  await once(client.socket, 'connect')
  const { localPort } = client.socket
  await client.send('GET / HTTP/1.1', 'host: x', '', '').rest()
  assert.equal(heard, localPort)
})

test('a client that takes a response slowly is not silent', async t => {
  const { server, port } = await serve(t, (request, response) => {
    for (let at = 0; at < 60; at++) response.write(Buffer.alloc(200_000))
    response.end('last')
  })
  server.setTimeout(400, socket => socket.destroy())
  const client = connect(t, port)
  client.socket.on('data', () => {
    client.socket.pause()
    setTimeout(() => client.socket.resume(), 10)
  })
  client.send('GET / HTTP/1.1', 'host: x', 'connection: close', '', '')
  const text = await client.rest()
  assert.ok(text.length > 12_000_000, `${text.length} bytes came`)
})

test('the socket cannot be written past the response', async t => {
  const { url } = await serve(t, (request, response) => {
    assert.throws(() => response.socket.write('HTTP/1.1 200 OK\r\n\r\n'), { code: 'ERR_METHOD_NOT_IMPLEMENTED' })
    response.end('fine')
  })
  assert.equal(await (await fetch(url)).text(), 'fine')
})

test('what a listener of an event throws is an uncaughtException, and other requests are served', async t => {
  const thrown = []
  process.setUncaughtExceptionCaptureCallback(error => thrown.push(error.message))
  t.after(() => process.setUncaughtExceptionCaptureCallback(null))
  const { url } = await serve(t, (request, response) => {
    const event = request.url.slice(1)
    response.on(event, () => {
      throw new Error(event)
    })
    response.end(event)
  })
  for (const event of ['finish', 'close', 'finish', 'close']) assert.equal(await (await fetch(`${url}/${event}`)).text(), event)
  await new Promise(setImmediate)
  assert.deepEqual(thrown.sort(), ['close', 'close', 'finish', 'finish'])
})
