/** What a listener of `createServer` sees of a request, and what it can do with a response. */

const assert = require('node:assert/strict')
const { once } = require('node:events')
const http = require('node:http')
const { test } = require('node:test')

const { connect, recorder, serve } = require('./support/node-http')

const ask = (url, options) => new Promise((resolve, reject) => http.get(url, { agent: false, ...options }, resolve).on('error', reject))

async function text(response) {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return text
}

/** What a listener returns, as JSON in the response. */
const reporting = report => (request, response) => response.end(JSON.stringify(report(request, response)))

// The request.

test('requests and responses are those of node:http', async t => {
  const { url } = await serve(
    t,
    reporting((request, response) => [request instanceof http.IncomingMessage, response instanceof http.ServerResponse]),
  )
  assert.deepEqual(await (await fetch(url)).json(), [true, true])
})

test('a request has its method, target, version and headers', async t => {
  const { port } = await serve(
    t,
    reporting(({ method, url, httpVersion, httpVersionMajor, httpVersionMinor, headers, rawHeaders, headersDistinct }) => {
      return { method, url, httpVersion, httpVersionMajor, httpVersionMinor, headers, rawHeaders, headersDistinct }
    }),
  )
  const client = connect(t, port).send(
    'PATCH /a%20b?c=d HTTP/1.1',
    'Host: x',
    'Set-Cookie: 1',
    'Set-Cookie: 2',
    'Accept: a',
    'ACCEPT: b',
    'Age: 1',
    'Age: 2',
    'connection: close',
    '',
    '',
  )
  const seen = JSON.parse((await client.rest()).split('\r\n\r\n')[1])
  assert.equal(seen.method, 'PATCH')
  assert.equal(seen.url, '/a%20b?c=d')
  assert.deepEqual([seen.httpVersion, seen.httpVersionMajor, seen.httpVersionMinor], ['1.1', 1, 1])
  assert.deepEqual(seen.headers, { host: 'x', 'set-cookie': ['1', '2'], accept: 'a, b', age: '1', connection: 'close' })
  assert.deepEqual(seen.headersDistinct.age, ['1', '2'])
  assert.deepEqual(seen.rawHeaders.slice(0, 4), ['host', 'x', 'set-cookie', '1'])
})

test('an HTTP/1.0 request is one, and its connection closes', async t => {
  const { port } = await serve(
    t,
    reporting(request => [request.httpVersion, request.httpVersionMinor]),
  )
  const text = await connect(t, port).send('GET / HTTP/1.0', '', '').rest()
  assert.match(text, /\r\n\r\n\["1\.0",0\]$/)
})

test('a method of an extension is given as it is', async t => {
  const { port } = await serve(
    t,
    reporting(request => request.method),
  )
  await connect(t, port)
    .send('PROPFIND / HTTP/1.1', 'host: x', '', '')
    .until(/"PROPFIND"$/)
})

test('duplicate header fields are joined where that is asked for', async t => {
  const { port } = await serve(
    t,
    { joinDuplicateHeaders: true },
    reporting(request => request.headers.age),
  )
  await connect(t, port)
    .send('GET / HTTP/1.1', 'host: x', 'age: 1', 'age: 2', '', '')
    .until(/"1, 2"$/)
})

test('a socket has the addresses of both ends', async t => {
  const { port } = await serve(
    t,
    reporting(({ socket, connection }) => {
      const { remoteAddress, remotePort, remoteFamily, localAddress, localPort, localFamily, encrypted, destroyed, readable, writable } =
        socket
      const address = socket.address()
      return {
        remoteAddress,
        remotePort,
        remoteFamily,
        localAddress,
        localPort,
        localFamily,
        encrypted,
        destroyed,
        readable,
        writable,
        address,
        isSame: connection === socket,
      }
    }),
  )
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', '', '')
  const seen = JSON.parse((await client.until(/{.*}$/s))[0])
  assert.deepEqual(seen, {
    remoteAddress: '127.0.0.1',
    remotePort: client.socket.localPort,
    remoteFamily: 'IPv4',
    localAddress: '127.0.0.1',
    localPort: port,
    localFamily: 'IPv4',
    destroyed: false,
    readable: true,
    writable: true,
    address: { address: '127.0.0.1', port, family: 'IPv4' },
    isSame: true,
  })
})

test('the methods of a socket that tune a connection do no harm', async t => {
  const { url } = await serve(t, ({ socket }, response) => {
    socket.setNoDelay(true).setKeepAlive(true, 1000).setTimeout(0).ref().unref().pause()
    response.end(String(socket === response.socket))
  })
  assert.equal(await (await fetch(url)).text(), 'true')
})

test('a body can be read in each way of a stream', async t => {
  const ways = {
    async events(request) {
      let text = ''
      request.setEncoding('utf8').on('data', chunk => (text += chunk))
      await once(request, 'end')
      return text
    },
    async iteration(request) {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      return Buffer.concat(chunks).toString()
    },
    async readable(request) {
      let text = ''
      request.on('readable', () => {
        for (let chunk = request.read(); chunk !== null; chunk = request.read()) text += chunk
      })
      await once(request, 'end')
      return text
    },
  }
  const { url } = await serve(t, async (request, response) => response.end(await ways[request.url.slice(1)](request)))
  for (const way of Object.keys(ways)) {
    const body = `${way} ${'é'.repeat(100_000)}`
    assert.equal(await (await fetch(`${url}/${way}`, { method: 'POST', body })).text(), body)
  }
})

test('a request is complete when its body has come, and closes', async t => {
  const { record, told } = recorder()
  const seen = []
  const { url } = await serve(t, async (request, response) => {
    record('request', request, 'end', 'close')
    seen.push(request.complete)
    request.on('end', () => seen.push(request.complete))
    request.resume()
    await once(request, 'close')
    response.end(JSON.stringify([seen, told, request.aborted, request.destroyed]))
  })
  const answer = await (await fetch(url, { method: 'POST', body: 'body' })).json()
  assert.deepEqual(answer, [[false, true], ['request end', 'request close'], false, true])
})

test('a request without a body ends at once', async t => {
  const { url } = await serve(t, async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    response.end(`${chunks.length} ${request.complete}`)
  })
  assert.equal(await (await fetch(url)).text(), '0 true')
})

test('a client that expects 100 Continue is told when the body is read', async t => {
  const { port } = await serve(t, (request, response) => request.pipe(response))
  const client = connect(t, port).send('POST / HTTP/1.1', 'host: x', 'content-length: 4', 'expect: 100-continue', '', '')
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
  client.send('body')
  await client.until(/body/)
})

test('checkContinue is emitted in place of request where somebody listens', async t => {
  const { server, port } = await serve(t, (request, response) => response.end('request'))
  server.on('checkContinue', (request, response) => {
    response.writeContinue()
    response.writeHead(401).end('no')
  })
  await connect(t, port)
    .send('POST / HTTP/1.1', 'host: x', 'content-length: 4', 'expect: 100-continue', '', '')
    .until(/401 Unauthorized[^]*no$/)
  await connect(t, port)
    .send('GET / HTTP/1.1', 'host: x', '', '')
    .until(/request$/)
})

test('an upgrade is an ordinary request', async t => {
  const { port } = await serve(
    t,
    reporting(request => request.headers.upgrade),
  )
  await connect(t, port)
    .send('GET / HTTP/1.1', 'host: x', 'connection: upgrade', 'upgrade: websocket', '', '')
    .until(/200 OK[^]*"websocket"$/)
})

// The response.

test('headers are set, read, appended and removed', async t => {
  const { url } = await serve(t, (request, response) => {
    response.setHeader('X-One', 1).setHeader('x-many', ['a', 'b']).setHeader('gone', 'x')
    response.removeHeader('Gone')
    response.appendHeader('x-many', 'c')
    response.setHeaders(new Map([['x-map', 'm']]))
    const seen = [
      response.getHeader('x-one'),
      response.hasHeader('X-MANY'),
      response.getHeaderNames(),
      response.getHeaders(),
      response.getRawHeaderNames(),
    ]
    response.end(JSON.stringify([...seen, response.headersSent]))
  })
  const response = await ask(url)
  assert.equal(response.headers['x-one'], '1')
  assert.equal(response.headers['x-many'], 'a, b, c')
  assert.equal(response.headers['x-map'], 'm')
  assert.equal(response.headers.gone, undefined)
  assert.deepEqual(JSON.parse(await text(response)), [
    1,
    true,
    ['x-one', 'x-many', 'x-map'],
    { 'x-one': 1, 'x-many': ['a', 'b', 'c'], 'x-map': 'm' },
    ['X-One', 'x-many', 'x-map'],
    false,
  ])
})

test('several cookies are several fields', async t => {
  const { url } = await serve(t, (request, response) => response.setHeader('Set-Cookie', ['a=1', 'b=2']).end())
  assert.deepEqual((await ask(url)).headers['set-cookie'], ['a=1', 'b=2'])
})

test('writeHead takes its headers in each form, over those that were set', async t => {
  const forms = {
    object: { 'Content-Type': 'text/a', 'x-b': ['1', '2'] },
    list: ['Content-Type', 'text/a', 'x-b', '1', 'x-b', '2'],
    pairs: [
      ['Content-Type', 'text/a'],
      ['x-b', ['1', '2']],
    ],
  }
  const { url } = await serve(t, (request, response) => {
    const [, form, isSet] = request.url.split('/')
    if (isSet) response.setHeader('content-type', 'text/before').setHeader('x-c', '3')
    const result = isSet ? response.writeHead(201, forms[form]) : response.writeHead(201, 'Well', forms[form])
    assert.equal(result, response)
    assert.equal(response.headersSent, true)
    response.end('body')
  })
  for (const path of ['object', 'list', 'pairs', 'object/set']) {
    const response = await ask(`${url}/${path}`)
    assert.equal(response.statusCode, 201)
    assert.equal(response.headers['content-type'], 'text/a', path)
    assert.equal(response.headers['x-b'], '1, 2', path)
    assert.equal(response.headers['content-length'], '4')
    assert.equal(await text(response), 'body')
  }
})

test('a response that ends at once has a length, and one that is written has chunks', async t => {
  const { url } = await serve(t, (request, response) => {
    if (request.url === '/ends') return response.end('whole')
    if (request.url === '/together') {
      response.write('wh')
      response.write(Buffer.from('ol'))
      return response.end('e')
    }
    response.write('wh')
    setImmediate(() => response.end('ole'))
  })
  for (const [path, length] of [
    ['ends', '5'],
    ['together', '5'],
    ['later', undefined],
  ]) {
    const response = await ask(`${url}/${path}`)
    assert.equal(response.headers['content-length'], length, path)
    assert.equal(response.headers['transfer-encoding'], length ? undefined : 'chunked')
    assert.equal(await text(response), 'whole')
  }
})

test('text is written in the encoding that is named', async t => {
  const { url } = await serve(t, (request, response) => {
    response.write('é', 'latin1')
    response.write('c3a9', 'hex')
    response.end('é')
  })
  const bytes = Buffer.from(await (await fetch(url)).arrayBuffer())
  assert.deepEqual([...bytes], [0xe9, 0xc3, 0xa9, 0xc3, 0xa9])
})

test('a HEAD has the headers of a GET and no body', async t => {
  const { port } = await serve(t, (request, response) => {
    if (request.url === '/written') response.write('bo')
    response.end('body')
  })
  const client = connect(t, port).send('HEAD / HTTP/1.1', 'host: x', '', '')
  await client.until(/content-length: 4\r\n[^]*\r\n\r\n$/)
  client.send('HEAD /written HTTP/1.1', 'host: x', 'connection: close', '', '')
  assert.match(await client.rest(), /HTTP\/1\.1 200 OK[^]*HTTP\/1\.1 200 OK[^]*\r\n\r\n$/)
})

test('a 204 and a 304 have no body', async t => {
  const { port } = await serve(t, (request, response) => {
    response.statusCode = Number(request.url.slice(1))
    response.setHeader('etag', '"e"')
    response.write('not')
    response.end('sent')
  })
  const client = connect(t, port)
  for (const status of [204, 304]) {
    client.send(`GET /${status} HTTP/1.1`, 'host: x', '', '')
    const [head] = await client.until(new RegExp(`HTTP/1.1 ${status} [^]*\r\n\r\n$`))
    assert.doesNotMatch(head, /transfer-encoding|sent/)
  }
})

test('a body where there is none is an error where that is asked for', async t => {
  const { url } = await serve(t, { rejectNonStandardBodyWrites: true }, (request, response) => {
    response.writeHead(304)
    assert.throws(() => response.write('x'), { code: 'ERR_HTTP_BODY_NOT_ALLOWED' })
    response.end()
  })
  assert.equal((await fetch(url)).status, 304)
})

test('what would break a response is refused, with the codes of node:http', async t => {
  const { url } = await serve(t, (request, response) => {
    assert.throws(() => response.setHeader('a b', 'x'), { name: 'TypeError', code: 'ERR_INVALID_HTTP_TOKEN' })
    assert.throws(() => response.setHeader('a', 'x\r\ny: z'), { name: 'TypeError', code: 'ERR_INVALID_CHAR' })
    assert.throws(() => response.setHeader('a', undefined), { code: 'ERR_HTTP_INVALID_HEADER_VALUE' })
    assert.throws(() => response.writeHead(200, { a: 'x\ny' }), { code: 'ERR_INVALID_CHAR' })
    assert.throws(() => response.writeHead(200, { 'a\n': 'x' }), { code: 'ERR_INVALID_HTTP_TOKEN' })
    assert.throws(() => response.writeHead(200, ['a', 'x\ny']), { code: 'ERR_INVALID_CHAR' })
    assert.throws(() => response.writeHead(200, ['a']), { code: 'ERR_INVALID_ARG_VALUE' })
    for (const status of [99, 1000, 'x', 100, 101]) {
      assert.throws(() => response.writeHead(status), { name: 'RangeError', code: 'ERR_HTTP_INVALID_STATUS_CODE' })
    }
    assert.throws(() => response.writeHead(200, 'a\nb'), { code: 'ERR_INVALID_CHAR' })
    assert.throws(() => response.write(5), { code: 'ERR_INVALID_ARG_TYPE' })
    response.statusMessage = undefined
    response.end('fine')
    for (const call of [
      () => response.setHeader('a', 'b'),
      () => response.removeHeader('a'),
      () => response.writeHead(200),
      () => response.appendHeader('a', 'b'),
    ]) {
      assert.throws(call, { code: 'ERR_HTTP_HEADERS_SENT' })
    }
  })
  const response = await fetch(url)
  assert.deepEqual([response.status, await response.text()], [200, 'fine'])
})

test('flushHeaders sends the head before there is a body', async t => {
  let finish
  const { url } = await serve(t, (request, response) => {
    response.setHeader('x-early', '1')
    response.flushHeaders()
    finish = () => response.end('late')
  })
  const response = await ask(url)
  assert.equal(response.headers['x-early'], '1')
  finish()
  assert.equal(await text(response), 'late')
})

test('cork holds what is written until uncork', async t => {
  const { url } = await serve(t, (request, response) => {
    response.cork()
    response.write('a')
    assert.equal(response.writableCorked, 1)
    setImmediate(() => {
      assert.equal(response.writableLength, 1)
      response.write('b')
      response.uncork()
      assert.equal(response.writableLength, 0)
      response.end('c')
    })
  })
  assert.equal(await (await fetch(url)).text(), 'abc')
})

test('connection: close closes, in each way of asking for it', async t => {
  const { port } = await serve(t, (request, response) => {
    if (request.url === '/header') response.setHeader('Connection', 'close')
    else response.shouldKeepAlive = false
    response.end('bye')
  })
  for (const path of ['/header', '/property']) {
    const text = await connect(t, port).send(`GET ${path} HTTP/1.1`, 'host: x', '', '').rest()
    assert.equal(text.match(/connection: close/g).length, 1)
    assert.match(text, /bye$/)
  }
})

test('a Transfer-Encoding that is set is left to the engine', async t => {
  const { url } = await serve(t, (request, response) => response.writeHead(200, { 'Transfer-Encoding': 'chunked' }).end('body'))
  assert.equal(await (await fetch(url)).text(), 'body')
})

test('informational responses are left out, and their callbacks called', async t => {
  const { url } = await serve(t, (request, response) => {
    response.writeProcessing()
    response.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => response.end('final'))
  })
  assert.equal(await (await fetch(url)).text(), 'final')
})

test('strictContentLength refuses what the head does not promise', async t => {
  const { url } = await serve(t, (request, response) => {
    response.strictContentLength = true
    response.setHeader('content-length', 3)
    assert.throws(() => response.end('four'), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
    response.destroy()
  })
  await assert.rejects(fetch(url))
})

test('a body that is not as long as its head says closes the connection', async t => {
  const codes = []
  const { url } = await serve(t, (request, response) => {
    response.on('error', error => codes.push(error.code))
    response.setHeader('content-length', 3)
    response.end('four')
  })
  await assert.rejects(fetch(url))
  assert.deepEqual(codes, ['ERR_HOSTLOOP_INVALID'])
})

test('trailers follow a response for a client that asks for them', async t => {
  const { url, port } = await serve(t, (request, response) => {
    response.writeHead(200, { Trailer: 'X-Sum, X-Many' })
    response.write('body')
    response.addTrailers({ 'X-Sum': '42', 'X-Many': ['1', '2'], 'X-Other': 'x' })
    assert.throws(() => response.addTrailers({ bad: 'x\r\n' }), { code: 'ERR_INVALID_CHAR' })
    response.addTrailers([
      ['X-Sum', '42'],
      ['X-Many', ['1', '2']],
    ])
    response.end()
  })
  const response = await ask(url, { headers: { te: 'trailers' } })
  assert.equal(await text(response), 'body')
  assert.deepEqual(response.trailers, { 'x-sum': '42', 'x-many': '1, 2' })
  const client = connect(t, port).send('GET / HTTP/1.1', 'host: x', 'connection: close', '', '')
  assert.match(await client.rest(), /4\r\nbody\r\n0\r\n\r\n$/)
})

test('the channels of node:http tell of requests', async t => {
  const { subscribe, unsubscribe } = require('node:diagnostics_channel')
  const told = []
  const started = ({ request, response, socket, server }) =>
    told.push(['start', request.url, request.socket === socket, Boolean(server), response.statusCode])
  const finished = ({ response }) => told.push(['finish', response.statusCode])
  subscribe('http.server.request.start', started)
  subscribe('http.server.response.finish', finished)
  t.after(() => {
    unsubscribe('http.server.request.start', started)
    unsubscribe('http.server.response.finish', finished)
  })
  const { url } = await serve(t, (request, response) => response.writeHead(202).end())
  await fetch(`${url}/x`)
  assert.deepEqual(told, [
    ['start', '/x', true, true, 200],
    ['finish', 202],
  ])
})
