// What clients do at random moments harms nobody else: a process with servers of each kind outlives them all.

const { test } = require('node:test')
const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const net = require('node:net')
const { join } = require('node:path')
const { createInterface } = require('node:readline')

const CLIENTS = 600
const AT_ONCE = 40

const PATHS = ['/text', '/later', '/throws', '/flood', '/web', '/read', '/echo', '/clone', '/silent', '/nowhere']
const BODIES = [
  'Content-Length: 5\r\n\r\nhello',
  'Content-Length: 500\r\n\r\nhello',
  'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX',
  'Transfer-Encoding: chunked\r\n\r\nzz\r\n',
  'Transfer-Encoding: chunked\r\n\r\n0\r\nnot a trailer\r\n\r\n',
  'Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n',
  'Expect: 100-continue\r\nContent-Length: 5\r\n\r\n',
]

/** Numbers that look random and are the same in each run (a linear congruential generator, as in Numerical Recipes). */
function chance(seed) {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function requestOf(pick) {
  const path = PATHS[pick(PATHS.length)]
  if (pick(2) === 0) return `${['GET', 'HEAD'][pick(2)]} ${path} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(1 + pick(3))
  return `POST ${path} HTTP/1.1\r\nHost: a\r\n${BODIES[pick(BODIES.length)]}`
}

/** One client: it sends, perhaps a part only, and leaves at once, after the first bytes, or soon. */
function visit(port, pick) {
  return new Promise(resolve => {
    const text = requestOf(pick)
    const socket = net.connect(port, '127.0.0.1').on('error', () => {})
    const leave = [() => socket.destroy(), () => socket.resetAndDestroy(), () => socket.end()][pick(3)]
    const when = pick(3)
    socket.write(pick(4) === 0 ? text.slice(0, pick(text.length)) : text, () => when === 0 && leave())
    if (when === 1) socket.once('data', leave)
    const late = setTimeout(() => socket.destroy(), 5 + pick(30))
    socket.resume().once('close', () => {
      clearTimeout(late)
      resolve()
    })
  })
}

async function ask(port) {
  return (await fetch(`http://127.0.0.1:${port}/text`)).status
}

for (const seed of [1, 2, 3]) {
  test(`a storm of clients, seed ${seed}`, { timeout: 60_000 }, async t => {
    const child = spawn(process.execPath, [join(__dirname, 'programs/storm.js')])
    t.after(() => child.kill('SIGKILL'))
    let errors = ''
    child.stderr.on('data', data => (errors += data))
    const ended = once(child, 'exit')
    const [line] = await Promise.race([once(createInterface(child.stdout), 'line'), ended])
    const ports = JSON.parse(line)
    const pick = chance(seed)
    let left = CLIENTS
    const visitor = async () => {
      while (left-- > 0) await visit(ports[pick(ports.length)], pick)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, visitor))
    assert.deepEqual([errors, child.exitCode], ['', null])
    assert.deepEqual(await Promise.all(ports.map(ask)), [200, 200, 200])
    child.kill('SIGTERM')
    assert.deepEqual([...(await ended), errors], [0, null, ''])
  })
}
