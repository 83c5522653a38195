// The URL of a request: what the web makes of a target and a Host.

const { test, before, after } = require('node:test')
const assert = require('node:assert/strict')
const net = require('node:net')

const { Server } = require('../dist/http/server')

const QUIET = { debug() {}, info() {}, warn() {}, error() {} }
const server = new Server({ logger: QUIET })
server.fallback(request => [request.url, request.path, request.real().url])
let port

before(() => (port = Number(server.listen('127.0.0.1:0').split(':')[1])))
after(() => server.close())

/** Asks on a connection of its own: the status, and what the handler saw. */
async function ask(target, host) {
  const socket = net.connect(port, '127.0.0.1')
  socket.write(`GET ${target} HTTP/1.1\r\n${host === undefined ? '' : `Host: ${host}\r\n`}Connection: close\r\n\r\n`)
  let text = ''
  for await (const piece of socket.setEncoding('latin1')) text += piece
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  return { status: Number(text.slice(9, 12)), body: text.startsWith('HTTP/1.1 200') ? JSON.parse(body) : body }
}

const cases = [
  ['/a/b?c=1', 'x.org:8000', 'http://x.org:8000/a/b?c=1'],
  ['/%2e%2e/y', 'x', 'http://x/y'],
  ['/public/../admin', 'x', 'http://x/admin'],
  ['/public/%2E%2e/admin?up=/../', 'x', 'http://x/admin?up=/../'],
  ['/./.hidden', 'x', 'http://x/.hidden'],
  ['//other.org/y', 'x', 'http://x//other.org/y'],
  ['/a|b"c', 'x', 'http://x/a|b%22c'],
  ["/it's?it's", 'x', "http://x/it's?it%27s"],
  ['/%e4?%E4', 'x', 'http://x/%e4?%E4'],
  ['/a[]?b[]=1', 'x', 'http://x/a[]?b[]=1'],
  ['/', 'EXAMPLE.org', 'http://example.org/'],
  ['/', 'example.org:80', 'http://example.org/'],
  ['/', '[::1]:8000', 'http://[::1]:8000/'],
  ['/public/admin', '', 'http://localhost/public/admin'],
  ['http://x/abs?q=1', 'x', 'http://x/abs?q=1', '/abs'],
  ['http://x', 'x', 'http://x/', '/'],
]

for (const [target, host, url, path = target.split('?')[0]] of cases) {
  test(`${target} of ${JSON.stringify(host)}`, async () => {
    const { body } = await ask(target, host)
    assert.deepEqual(body, [url, path, url])
    assert.equal(new URL(url).href, url, 'it is as the web writes it')
  })
}

for (const host of ['a b', 'a/b', 'a?b', 'a:x', 'me@a', 'a:99999']) {
  test(`a Host ${JSON.stringify(host)} is refused`, async () => {
    assert.equal((await ask('/', host)).status, 400)
  })
}
