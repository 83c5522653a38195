/** Servers in the workers of node:cluster: they share a port, the primary hears of them, and one may die. */

const assert = require('node:assert/strict')
const { execFileSync, fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')

const PROGRAM = path.join(__dirname, 'programs/cluster.js')

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** A cluster whose workers listen so. It ends with the test. */
class Cluster {
  constructor(t, options) {
    this.told = []
    this.waiting = new Set()
    this.child = fork(PROGRAM, [JSON.stringify(options)])
    this.child.on('message', message => {
      this.told.push(message)
      for (const check of this.waiting) check()
    })
    t.after(async () => {
      const ended = once(this.child, 'exit')
      this.child.disconnect()
      await ended
    })
  }

  /** Waits until it has told of so many events of a kind, and gives them. */
  async until(event, count = 1) {
    const found = () => this.told.filter(message => message.event === event).slice(0, count)
    if (found().length < count) {
      await new Promise(resolve => {
        const check = () => found().length === count && resolve(this.waiting.delete(check))
        this.waiting.add(check)
      })
    }
    return found()
  }

  /** Starts two workers, one after the other. */
  async fork(...events) {
    this.child.send('fork')
    await this.until(events[0])
    this.child.send('fork')
    return events[1] === events[0] ? this.until(events[0], 2) : [...(await this.until(events[0])), ...(await this.until(events[1]))]
  }
}

/** Asks on a connection of its own. */
function ask(where) {
  return new Promise((resolve, reject) => {
    const request = http.get({ ...where, agent: false }, async response => resolve(await response.setEncoding('utf8').toArray()))
    request.on('error', reject)
  }).then(parts => Number(parts.join('')))
}

/** Asks until all of them have answered. */
async function untilAll(port, pids) {
  const answered = new Set()
  while (!pids.every(pid => answered.has(pid))) answered.add(await ask({ host: '127.0.0.1', port }))
}

test('two workers serve on one port, and when one is killed the other goes on', { timeout: 60_000 }, async t => {
  const port = await freePort()
  const cluster = new Cluster(t, { port, host: '127.0.0.1' })
  const workers = await cluster.fork('bound', 'bound')
  const pids = workers.map(({ pid }) => pid)
  await untilAll(port, pids)
  process.kill(pids[0], 'SIGKILL')
  assert.deepEqual(await cluster.until('exit'), [{ event: 'exit', pid: pids[0], code: null, signal: 'SIGKILL' }])
  for (let count = 0; count < 20; count += 1) assert.equal(await ask({ host: '127.0.0.1', port }), pids[1])
})

test('a worker that has died is replaced on the same port', { timeout: 60_000 }, async t => {
  const port = await freePort()
  const cluster = new Cluster(t, { port })
  const [{ pid }] = await cluster.fork('bound', 'bound')
  process.kill(pid, 'SIGKILL')
  await cluster.until('exit')
  cluster.child.send('fork')
  const workers = await cluster.until('bound', 3)
  await untilAll(
    port,
    workers.slice(1).map(each => each.pid),
  )
})

test('the primary hears where its workers listen', { timeout: 60_000 }, async t => {
  const port = await freePort()
  const [first] = await new Cluster(t, { port, host: '127.0.0.1' }).fork('listening', 'listening')
  assert.deepEqual(first.address, { addressType: 4, address: '127.0.0.1', port })
  const everywhere = await freePort()
  const [second] = await new Cluster(t, { port: everywhere }).fork('listening', 'listening')
  assert.deepEqual(second.address, { addressType: 4, address: null, port: everywhere })
})

test('a port that is exclusive is not shared', { timeout: 60_000 }, async t => {
  const port = await freePort()
  for (const options of [{ exclusive: true }, { reusePort: false }]) {
    const cluster = new Cluster(t, { port, host: '127.0.0.1', ...options })
    const [, refused] = await cluster.fork('bound', 'error')
    assert.equal(refused.code, 'EADDRINUSE')
    cluster.child.send('disconnect')
    await cluster.until('exit', 2)
  }
})

test('port 0 is a port of its own in each worker', { timeout: 60_000 }, async t => {
  const [first, second] = await new Cluster(t, { port: 0, host: '127.0.0.1' }).fork('bound', 'bound')
  assert.notEqual(first.at.port, second.at.port)
  assert.equal(await ask({ host: '127.0.0.1', port: second.at.port }), second.pid)
})

test('a unix socket has one worker', { timeout: 60_000 }, async t => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hostloop-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const socketPath = path.join(folder, 'app.sock')
  const cluster = new Cluster(t, { path: socketPath })
  const [bound, refused] = await cluster.fork('bound', 'error')
  assert.equal(refused.code, 'EADDRINUSE')
  assert.equal(await ask({ socketPath }), bound.pid)
})

test('a worker that is disconnected closes its server, and ends', { timeout: 60_000 }, async t => {
  const port = await freePort()
  const cluster = new Cluster(t, { port, host: '127.0.0.1' })
  await cluster.fork('bound', 'bound')
  cluster.child.send('disconnect')
  await cluster.until('disconnected')
  for (const { code, signal } of await cluster.until('exit', 2)) assert.deepEqual([code, signal], [0, null])
  await assert.rejects(ask({ host: '127.0.0.1', port }), { code: 'ECONNREFUSED' })
})

test('what does not listen does not load node:cluster', () => {
  const program = `require(${JSON.stringify(path.join(__dirname, '../dist/http/node'))}).createServer()
    console.log(process.moduleLoadList.some(name => /cluster/.test(name)))`
  assert.equal(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }), 'false\n')
})
