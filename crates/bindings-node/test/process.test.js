// The engine as a guest in Node: when the process ends, worker threads, contexts, the order of callbacks.

const { test, describe } = require('node:test')
const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const { AsyncLocalStorage, executionAsyncResource, createHook } = require('node:async_hooks')
const { Worker } = require('node:worker_threads')
const { once } = require('node:events')
const { join } = require('node:path')
const diagnostics = require('node:diagnostics_channel')

const { Server } = require('../dist/http/server')

const SERVER = JSON.stringify(join(__dirname, '../dist/http/server'))

/** Runs a program to its end. */
function run(program, ...flags) {
  const source = `const { Server } = require(${SERVER});\n${program}`
  return new Promise(resolve => {
    execFile(process.execPath, [...flags, '-e', source], { timeout: 20_000 }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, signal: error?.signal ?? null, stdout, stderr }),
    )
  })
}

describe('the process', () => {
  test('ends when nothing listens', async () => {
    assert.deepEqual(await run('const server = new Server(); server.route("GET", "/", () => "")'), {
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    })
  })

  test('ends when the last server has drained', async () => {
    const ended = await run('const server = new Server(); server.listen("127.0.0.1:0"); server.drain().then(() => console.log("drained"))')
    assert.deepEqual(ended, { code: 0, signal: null, stdout: 'drained\n', stderr: '' })
  })

  test('lives as long as something listens, unless that is not to keep it', async () => {
    const ended = await run(`
      const server = new Server(); server.listen("127.0.0.1:0")
      setTimeout(() => { console.log("alive"); server.keepAlive(false) }, 50).unref()
    `)
    assert.equal(ended.stdout, 'alive\n')
    assert.equal(ended.code, 0)
  })

  test('lives as long as a request through memory is under way, also when its head has come', async () => {
    const ended = await run(`
      const server = new Server()
      server.route("GET", "/", () => new Response(new ReadableStream({
        async pull(controller) {
          await new Promise(resolve => setTimeout(resolve, 50).unref())
          controller.enqueue(Buffer.from("late"))
          controller.close()
        },
      })))
      server.fetch("/").then(response => response.text()).then(console.log)
    `)
    assert.deepEqual(ended, { code: 0, signal: null, stdout: 'late\n', stderr: '' })
  })

  test('process.exit in a handler ends it', async () => {
    const ended = await run('const server = new Server(); server.route("GET", "/", () => process.exit(3)); server.fetch("/")')
    assert.equal(ended.code, 3)
  })

  test('process.exit while requests are under way ends it', async () => {
    const ended = await run(`
      const server = new Server(); server.route("GET", "/", () => new Promise(() => {}))
      server.listen("127.0.0.1:0")
      fetch(server.url).catch(() => {}); setTimeout(() => process.exit(4), 50)
    `)
    assert.deepEqual([ended.code, ended.signal], [4, null])
  })

  test('a handler that throws does not end it; an exception of a callback does, as with Node itself', async () => {
    const ended = await run(`
      const server = new Server({ logger: { debug() {}, info() {}, warn() {}, error() {} } })
      server.route("GET", "/", () => { throw "text" })
      server.route("GET", "/later", () => { setTimeout(() => { throw new Error("uncaught") }); return "" })
      server.fetch("/").then(r => { console.log(r.status); return server.fetch("/later") })
    `)
    assert.equal(ended.stdout, '500\n')
    assert.equal(ended.code, 1)
    assert.match(ended.stderr, /uncaught/)
  })

  test('SIGTERM ends it if nobody listens for the signal, and drains if somebody does', async () => {
    const plain = await run('const server = new Server(); server.listen("127.0.0.1:0"); process.kill(process.pid, "SIGTERM")')
    assert.equal(plain.signal, 'SIGTERM')
    const drained = await run(`
      const server = new Server(); server.listen("127.0.0.1:0")
      process.once("SIGTERM", () => server.drain().then(() => console.log("drained")))
      process.kill(process.pid, "SIGTERM")
    `)
    assert.deepEqual([drained.code, drained.stdout], [0, 'drained\n'])
  })

  test('--inspect changes nothing', async () => {
    const ended = await run(
      'const server = new Server(); server.route("GET", "/", () => "x"); server.fetch("/").then(r => console.log(r.status))',
      '--inspect=0',
    )
    assert.deepEqual([ended.code, ended.stdout], [0, '200\n'])
  })
})

describe('worker threads', () => {
  const program = `
    const { parentPort } = require('node:worker_threads')
    const { Server } = require(${SERVER})
    const server = new Server()
    server.route('GET', '/', () => 'from a thread')
    parentPort.postMessage(server.listen('127.0.0.1:0'))
    parentPort.once('message', how => how === 'exit' ? process.exit() : server.close().then(() => parentPort.close()))
  `

  test('have an engine each', async () => {
    const workers = [new Worker(program, { eval: true }), new Worker(program, { eval: true })]
    for (const [address] of await Promise.all(workers.map(worker => once(worker, 'message')))) {
      assert.equal(await (await fetch(`http://${address}/`)).text(), 'from a thread')
    }
    for (const worker of workers) {
      const ended = once(worker, 'exit')
      worker.postMessage('close')
      assert.deepEqual(await ended, [0])
    }
  })

  test('end with their engine, however they end', async () => {
    for (const end of [worker => worker.postMessage('exit'), worker => void worker.terminate()]) {
      const worker = new Worker(program, { eval: true })
      const [address] = await once(worker, 'message')
      await (await fetch(`http://${address}/`)).text()
      const ended = once(worker, 'exit')
      end(worker)
      await ended
      await assert.rejects(fetch(`http://${address}/`))
    }
  })
})

test('worker threads may load it one after another, and the main thread never', async () => {
  const program = `
    const { Worker } = require('node:worker_threads')
    const { once } = require('node:events')
    const inWorker = \`
      const { Server } = require(process.env.SERVER)
      const server = new Server()
      server.route('GET', '/', () => 'x')
      server.fetch('/').then(response => response.text()).then(() => server.close())
    \`
    ;(async () => {
      for (let at = 0; at < 5; at++) await once(new Worker(inWorker, { eval: true }), 'exit')
      console.log('all ended')
    })()
  `
  const options = { timeout: 20_000, env: { ...process.env, SERVER: JSON.parse(SERVER) } }
  const ended = await new Promise(resolve => execFile(process.execPath, ['-e', program], options, (...all) => resolve(all)))
  assert.deepEqual(ended, [null, 'all ended\n', ''])
})

describe('asynchronous contexts', () => {
  async function served(handler, count = 1) {
    const server = new Server()
    server.route('GET', '/{id}', handler)
    server.listen('127.0.0.1:0')
    const answers = await Promise.all(Array.from({ length: count }, async (_, id) => (await fetch(`${server.url}/${id}`)).text()))
    await server.close()
    return answers
  }

  test('AsyncLocalStorage.run is kept across awaits', async () => {
    const storage = new AsyncLocalStorage()
    const answers = await served(
      request =>
        storage.run(request.params.id, async () => {
          await new Promise(resolve => setTimeout(resolve, 5))
          await null
          return storage.getStore()
        }),
      16,
    )
    assert.deepEqual(
      answers,
      Array.from({ length: 16 }, (_, id) => String(id)),
    )
  })

  test('enterWith stays with its request', async () => {
    const storage = new AsyncLocalStorage()
    const handler = async request => {
      const before = storage.getStore()
      storage.enterWith(request.params.id)
      await new Promise(setImmediate)
      await request.text()
      return `${before} ${storage.getStore()}`
    }
    const answers = await served(handler, 32)
    assert.deepEqual(
      answers,
      Array.from({ length: 32 }, (_, id) => `undefined ${id}`),
    )
  })

  test('async_hooks see a resource for each request', async () => {
    const seen = new Set()
    const hook = createHook({ init: (id, type) => type === 'HOSTLOOPREQUEST' && seen.add(id) }).enable()
    const resources = new Set()
    await served(() => {
      resources.add(executionAsyncResource())
      return ''
    }, 4)
    hook.disable()
    assert.deepEqual([seen.size, resources.size], [4, 4])
  })

  test('nextTick and microtasks run before the next macrotask', async () => {
    const order = []
    await served(async () => {
      setImmediate(() => order.push('immediate'))
      process.nextTick(() => order.push('tick'))
      Promise.resolve().then(() => order.push('microtask'))
      order.push('handler')
      await new Promise(resolve => setTimeout(resolve, 5))
      return ''
    })
    assert.deepEqual(order, ['handler', 'tick', 'microtask', 'immediate'])
  })
})

test('accesses are logged and published', async () => {
  const published = []
  const lines = []
  const subscriber = access => published.push(access)
  diagnostics.subscribe('hostloop:access', subscriber)
  const server = new Server({ accessLog: true, logger: { ...console, info: line => lines.push(line) } })
  server.route('GET', '/x', () => 'five!')
  await (await server.fetch('/x?y')).text()
  await server.close()
  diagnostics.unsubscribe('hostloop:access', subscriber)
  const [{ client, method, target, version, status, bytes, milliseconds }] = published
  assert.deepEqual([client, method, target, version, status, bytes], ['', 'GET', '/x?y', 'HTTP/1.1', 200, 5])
  assert.ok(milliseconds >= 0)
  assert.match(lines[0], /^- "GET \/x\?y HTTP\/1\.1" 200 5 \d+\.\dms$/)
})
