// Several processes on one port: one that dies is replaced, all are replaced without a failed request, the end is orderly.

const { test } = require('node:test')
const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

/** How often the workers are replaced under load: 3, or as often as it is asked for. */
const RESTARTS = Number(process.env.HOSTLOOP_RESTARTS ?? 3)

const SERVE = join(__dirname, 'programs/workers.js')
const RUN = join(__dirname, 'programs/app-workers.mjs')
const PLACES = join(__dirname, 'programs/workers-places.js')
const UNLUCKY = join(__dirname, 'programs/workers-unlucky.js')

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Starts the program, and waits until it answers. */
async function start(program, ...more) {
  const port = await freePort()
  const child = spawn(process.execPath, [program, String(port), ...more], { stdio: ['ignore', 'inherit', 'pipe'] })
  const ended = once(child, 'exit')
  for (;;) {
    try {
      await get(port)
      return { port, child, ended }
    } catch (error) {
      if (error.code !== 'ECONNREFUSED' && error.code !== 'ECONNRESET') throw error
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}

/** Makes a request on a connection of its own. */
function get(port, path = '/') {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, path, agent: false }, response => {
      response.setEncoding('utf8')
      let text = ''
      response.on('data', piece => (text += piece))
      response.on('error', reject)
      response.on('end', () => resolve(text))
    })
    request.on('error', reject)
  })
}

/** Asks until the answers have come from as many processes, none of them of those that were there before. */
async function pids(port, count, before = new Set()) {
  const found = new Set()
  while (found.size < count) {
    const pid = await get(port)
    if (!before.has(pid)) found.add(pid)
  }
  return found
}

for (const [name, program] of [
  ['serve', SERVE],
  ['App.run', RUN],
]) {
  test(`${name}: a worker that dies is replaced`, { timeout: 60_000 }, async () => {
    const { port, child, ended } = await start(program)
    const before = await pids(port, 2)
    const dying = await get(port, '/exit')
    const after = await pids(port, 1, before)
    assert.ok(before.has(dying) && !after.has(dying))
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  })

  test(`${name}: SIGHUP replaces every worker, and no request fails`, { timeout: 60_000 + RESTARTS * 5_000 }, async () => {
    const { port, child, ended } = await start(program)
    const before = await pids(port, 2)
    let isDone = false
    let answered = 0
    const load = Array.from({ length: 8 }, async () => {
      while (!isDone) {
        await get(port)
        answered += 1
      }
    })
    for (let round = 0, known = before; round < RESTARTS; round++) {
      child.kill('SIGHUP')
      const fresh = await pids(port, 2, known)
      known = new Set([...known, ...fresh])
    }
    isDone = true
    await Promise.all(load)
    assert.ok(answered > 100)
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  })

  test(`${name}: SIGTERM lets requests under way end`, { timeout: 60_000 }, async () => {
    const { port, child, ended } = await start(program)
    await pids(port, 2)
    const slow = get(port, '/slow')
    await get(port)
    child.kill('SIGTERM')
    assert.match(await slow, /^\d+$/)
    assert.deepEqual(await ended, [0, null])
    await assert.rejects(get(port), { code: 'ECONNREFUSED' })
  })
}

test('App.run: a worker that stops by itself is replaced', { timeout: 60_000 }, async () => {
  const { port, child, ended } = await start(RUN)
  const before = await pids(port, 2)
  await get(port, '/stop')
  await pids(port, 1, before)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

/** Waits until a process has written a text as often to its standard error output. */
function written(child, text, times = 1) {
  let all = ''
  return new Promise(resolve => {
    child.stderr.setEncoding('utf8').on('data', data => {
      all += data
      if (all.split(text).length > times) resolve(all)
    })
  })
}

/** Two workers that come into being only while a file is not there. */
async function unlucky(t) {
  const folder = mkdtempSync(join(tmpdir(), 'hostloop-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'closed')
  const program = await start(UNLUCKY, file)
  t.after(() => program.child.kill('SIGKILL'))
  return { ...program, file }
}

test('SIGHUP in the middle of a replacement replaces everything again', { timeout: 60_000 }, async t => {
  const { port, child, ended } = await unlucky(t)
  const known = await pids(port, 2)
  child.kill('SIGHUP')
  for (const pid of await pids(port, 1, known)) known.add(pid)
  for (let round = 0; round < 2; round++) {
    child.kill('SIGHUP')
    for (const pid of await pids(port, 2, known)) known.add(pid)
  }
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

test('workers whose successors cannot start go on serving, and are replaced when they can', { timeout: 60_000 }, async t => {
  const { port, child, ended, file } = await unlucky(t)
  const before = await pids(port, 2)
  writeFileSync(file, '')
  const failed = written(child, 'ended with 3', 2)
  child.kill('SIGHUP')
  await failed
  assert.deepEqual(await pids(port, 2), before)
  rmSync(file)
  await pids(port, 2, before)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

test('a supervisor that cannot start a process tries again', { timeout: 60_000 }, async t => {
  const { port, child, ended } = await unlucky(t)
  const before = await pids(port, 2)
  const failed = written(child, 'a worker cannot be started', 2)
  child.kill('SIGUSR2')
  await get(port, '/exit')
  await failed
  child.kill('SIGUSR2')
  await pids(port, 1, before)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

test('a supervisor that can start no process at all says so and ends', { timeout: 60_000 }, async () => {
  const text = `process.execPath = '/nowhere/node'; process.argv[1] = ${JSON.stringify(SERVE)}; process.argv[2] = '0'; require(process.argv[1])`
  const child = spawn(process.execPath, ['-e', text], { stdio: ['ignore', 'inherit', 'pipe'] })
  const told = written(child, 'giving up')
  assert.deepEqual(await once(child, 'exit'), [1, null])
  assert.match(await told, /a worker cannot be started.*ENOENT/s)
})

test('serve: the successor of a worker that is told to end does not wait for its drain', { timeout: 60_000 }, async t => {
  const { port, child, ended } = await unlucky(t)
  const before = await pids(port, 2)
  let hanging = 0
  for (let at = 0; at < 16; at++) {
    hanging += 1
    get(port, '/hang').catch(() => (hanging -= 1))
  }
  await pids(port, 2)
  for (const pid of before) process.kill(Number(pid), 'SIGTERM')
  await pids(port, 2, before)
  assert.equal(hanging, 16)
  child.kill('SIGTERM')
  child.kill('SIGTERM')
  for (const pid of before) process.kill(Number(pid), 'SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

test('a port that is taken is told before a worker is started', { timeout: 60_000 }, async () => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const child = spawn(process.execPath, [SERVE, String(taken.address().port)], { stdio: ['ignore', 'ignore', 'pipe'] })
  let told = ''
  child.stderr.setEncoding('utf8').on('data', text => (told += text))
  const [code] = await once(child, 'exit')
  taken.close()
  assert.equal(code, 1)
  assert.match(told, /AddressError.*another socket listens/s)
})

test('a place is served by what asked for workers alone, and once', { timeout: 60_000 }, async () => {
  const { port, child, ended } = await start(PLACES)
  for (let count = 0; count < 8; count++) assert.match(await get(port), /^\d+$/)
  assert.equal(await get(port, '/inherited'), 'undefined')
  assert.match(await get(port, '/again'), /^ERR_HOSTLOOP_CONFLICT a program has workers twice; give workers to one/)
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

test('a worker that something keeps alive ends after the drain, and says what it was', { timeout: 60_000 }, async () => {
  const { child, ended } = await start(PLACES)
  let told = ''
  child.stderr.setEncoding('utf8').on('data', text => (told += text))
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
  assert.match(told, /something keeps the process alive \(.*Timeout.*\); it ends now/)
})

test('so does a worker whose supervisor has died', { timeout: 60_000 }, async () => {
  const { port, child } = await start(PLACES)
  const orphans = await pids(port, 2)
  child.kill('SIGKILL')
  const isAlive = pid => {
    try {
      return process.kill(Number(pid), 0)
    } catch {
      return false
    }
  }
  while ([...orphans].some(isAlive)) await new Promise(resolve => setTimeout(resolve, 50))
})

test('a number of workers that is none is refused', async () => {
  const { serve } = require('../dist/http/serve')
  await assert.rejects(
    serve(() => new Response(), { workers: 0 }),
    { code: 'ERR_HOSTLOOP_INVALID', message: /workers is 0/ },
  )
})

test('options that cannot be kept are refused before a worker is started', async () => {
  const { serve } = require('../dist/http/serve')
  for (const wrong of [
    { limits: null },
    { timeouts: { header: 0 } },
    { accessLog: 1 },
    { exitAfter: -1 },
    { logger: {} },
    { workers: '2' },
  ]) {
    await assert.rejects(
      serve(() => new Response(), { port: 0, workers: 2, ...wrong }),
      { code: 'ERR_HOSTLOOP_INVALID' },
    )
  }
})
