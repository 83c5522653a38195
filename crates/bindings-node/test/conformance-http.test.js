// The cases of conformance/http1, over real sockets.

const { test } = require('node:test')
const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const { join } = require('node:path')

const { Server } = require('../dist/http/server')

const RUNNER = join(__dirname, '../../../conformance/http1/run.py')

function application() {
  const server = new Server({
    limits: { headBytes: 16_384, targetBytes: 4_096, headerCount: 64, bodyBytes: 65_536 },
    timeouts: { header: 1, body: 1, keepAlive: 5 },
  })
  const text = { 'content-type': 'text/plain' }
  server.route('GET', '/', () => new Response('ok', { headers: text }))
  server.route('POST', '/echo', async request => request.arrayBuffer())
  server.route('GET', '/items/{id}', request => new Response(request.params.id, { headers: text }))
  server.route('PUT', '/items/{id}', () => 'put')
  server.route('GET', '/rest/{rest:path}', request => new Response(request.params.rest, { headers: text }))
  server.route('POST', '/unread', () => new Response('unread', { headers: text }))
  server.route('GET', '/stream', async function* () {
    yield 'one'
    yield 'two'
    yield 'three'
  })
  server.route('GET', '/headers', request => Response.json(pairs(request.exchange)))
  server.route('GET', '/query', request => request.url.slice(request.url.indexOf('?') + 1 || Infinity))
  server.route('GET', '/empty', () => undefined)
  return server
}

/** The fields as they came, those of one name apart, which a `Headers` joins. */
function pairs({ lines, firstHeader }) {
  const found = []
  for (let at = firstHeader; at < lines.length; at += 2) found.push([lines[at], lines[at + 1]])
  return found
}

test('the wire', { timeout: 120_000 }, async () => {
  const server = application()
  const port = server.listen('127.0.0.1:0').split(':')[1]
  const { code, output } = await new Promise(resolve => {
    execFile('python3', [RUNNER, '127.0.0.1', port], { maxBuffer: 1 << 24 }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    )
  })
  await server.close()
  assert.equal(code, 0, output)
  assert.match(output, /^[1-9]\d\d passed, 0 failed/m)
})
