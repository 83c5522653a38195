// The programs of examples/, run as a user runs them.

const { test, describe } = require('node:test')
const assert = require('node:assert/strict')
const { execFile, spawn } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const net = require('node:net')
const os = require('node:os')
const { join } = require('node:path')

const EXAMPLES = join(__dirname, '../../../examples')
const SERVICE = join(EXAMPLES, 'service/node')
const CONTRACT = join(__dirname, '../../../conformance/service/run.py')

const load = name => import(join(SERVICE, name))

function folder(context) {
  const path = fs.mkdtempSync(join(os.tmpdir(), 'hostloop-'))
  context.after(() => fs.rmSync(path, { recursive: true }))
  return path
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Waits until something that is looked at again and again is so. */
async function eventually(isSo) {
  for (;;) {
    const found = await isSo()
    if (found) return found
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

function request(port, agent, path, body) {
  return new Promise((resolve, reject) => {
    const options = { port, path, agent, method: body === undefined ? 'GET' : 'POST' }
    const sent = http.request(options, response => {
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode, closes: response.headers.connection === 'close' }))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body && JSON.stringify(body))
  })
}

const isUp = port =>
  request(port, undefined, '/health').then(
    ({ status }) => status === 200,
    () => false,
  )

test('hello', { timeout: 60_000 }, async () => {
  const source = fs.readFileSync(join(EXAMPLES, 'hello/node/hello.mjs'), 'utf8')
  const port = await freePort()
  const child = spawn(process.execPath, ['--input-type=module', '-e', source.replace('8000', String(port))], {
    cwd: join(EXAMPLES, 'hello/node'),
    stdio: 'inherit',
  })
  const ended = once(child, 'exit')
  await eventually(() =>
    request(port, undefined, '/').then(
      ({ status }) => status === 200,
      () => false,
    ),
  )
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'Hello, world!\n')
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})

describe('the link shortener', () => {
  test('keeps its contract', { timeout: 300_000 }, async () => {
    const { code, output } = await new Promise(resolve => {
      execFile('python3', [CONTRACT, '--', process.execPath, join(SERVICE, 'main.js')], (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, output: stdout + stderr }),
      )
    })
    assert.equal(code, 0, output)
    assert.match(output, /^[1-9]\d* passed, 0 failed/m)
  })

  async function serving(context, change = () => {}) {
    const [{ buildApp }, { Settings }] = await Promise.all([load('app.js'), load('settings.js')])
    const settings = Object.assign(new Settings(), { database: join(folder(context), 'links.db'), sweep: 0.01 })
    const app = buildApp(settings)
    change(app)
    const client = await app.test()
    context.after(() => client.close())
    return { app, client }
  }

  const newLink = (code, expires_at) => ({ json: { url: 'https://example.com', code, expires_at } })

  test('drops what has expired, and nothing else', { timeout: 60_000 }, async context => {
    const { client } = await serving(context)
    assert.equal((await client.post('/links', newLink('future', '2999-01-01T00:00:00Z'))).status, 201)
    assert.equal((await client.post('/links', newLink('past', '2001-01-01T00:00:00Z'))).status, 201)
    await eventually(async () => (await client.get('/links/past')).status === 404)
    assert.equal((await client.get('/links/future')).status, 200)
  })

  test('runs its sweeper again when that fails', { timeout: 60_000 }, async context => {
    const { Links } = await load('links.js')
    const { dropExpired } = Links.prototype
    context.after(() => (Links.prototype.dropExpired = dropExpired))
    Links.prototype.dropExpired = function () {
      Links.prototype.dropExpired = dropExpired
      throw new Error('killed')
    }
    const { app, client } = await serving(context)
    assert.equal((await client.post('/links', newLink('past', '2001-01-01T00:00:00Z'))).status, 201)
    await eventually(async () => (await client.get('/links/past')).status === 404)
    const { nodes } = app.explain()
    const { state, detail } = nodes.find(({ label }) => label === 'sweeper')
    assert.deepEqual([state, detail], ['running', 'attempt 2, 1 restarts'])
  })

  test('shows all of itself', { timeout: 60_000 }, async context => {
    const { app } = await serving(context)
    const labels = new Set(app.explain().nodes.map(({ label }) => label))
    for (const label of ['Settings', 'Database', 'Links', 'sweeper', 'http', 'GET /{code}', 'POST /links']) {
      assert.ok(labels.has(label), `${label} is not among ${[...labels].join(', ')}`)
    }
  })

  test('loses nothing under load when it is told to end, and closes its database', { timeout: 60_000 }, async context => {
    const database = join(folder(context), 'links.db')
    const port = await freePort()
    const environment = { ...process.env, PORT: String(port), DATABASE: database }
    const child = spawn(process.execPath, [join(SERVICE, 'main.js')], { env: environment, stdio: ['ignore', 'ignore', 'inherit'] })
    const ended = once(child, 'exit')
    await eventually(() => isUp(port))
    const created = []
    /** Creates links, one after the other, until the service takes no more connections. */
    const creator = async number => {
      for (let isOpen = true; isOpen; ) {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
        for (let closes = false; isOpen && !closes; ) {
          const code = `c${number}-${created.length}`
          try {
            const reply = await request(port, agent, '/links', { url: 'https://example.com', code })
            assert.equal(reply.status, 201)
            created.push(code)
            closes = reply.closes
          } catch (error) {
            if (error.code !== 'ECONNREFUSED') throw error
            isOpen = false
          }
        }
        agent.destroy()
      }
    }
    const creators = [0, 1, 2, 3].map(creator)
    await eventually(() => created.length > 40)
    child.kill('SIGTERM')
    await Promise.all(creators)
    assert.deepEqual(await ended, [0, null])
    assert.ok(!fs.existsSync(`${database}-wal`), 'the database was not closed')
    const { Database } = await load('database.js')
    const opened = new Database(database)
    const kept = new Set(opened.read('SELECT code FROM links').map(({ code }) => code))
    opened.close()
    assert.deepEqual(
      created.filter(code => !kept.has(code)),
      [],
    )
  })
})
