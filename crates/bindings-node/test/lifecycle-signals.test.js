/** Signals, in a process of their own. */

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const http = require('node:http')
const { join } = require('node:path')
const { test } = require('node:test')

const PROGRAM = join(__dirname, 'lifecycle/programs/service.mjs')

/** A service that runs: its lines, and its end. */
class Service {
  lines = []
  errors = ''
  #waiting = []

  constructor(t, how = '') {
    this.child = spawn(process.execPath, [PROGRAM, how], { stdio: ['ignore', 'pipe', 'pipe'] })
    t.after(() => this.child.kill('SIGKILL'))
    this.ended = once(this.child, 'close')
    let rest = ''
    this.child.stdout.on('data', data => {
      const lines = (rest + data).split('\n')
      rest = lines.pop()
      this.lines.push(...lines)
      this.#look()
    })
    this.child.stderr.on('data', data => (this.errors += data))
    this.child.on('close', () => this.#look(true))
  }

  /** Waits for a line that begins so. */
  line(start) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ start, resolve, reject })
      this.#look()
    })
  }

  #look(isOver = false) {
    this.#waiting = this.#waiting.filter(({ start, resolve, reject }) => {
      const found = this.lines.find(line => line.startsWith(start))
      if (found !== undefined) resolve(found)
      else if (isOver) reject(new Error(`no line ${start} but ${this.lines.join(', ')}; ${this.errors}`))
      return found === undefined
    })
  }

  /** Waits until it accepts requests, and returns its URL. */
  async up() {
    return `http://${(await this.line('up ')).slice(3)}/`
  }

  kill(signal) {
    this.child.kill(signal)
  }
}

test('SIGTERM under load answers what was asked, and stops everything in order', async t => {
  const service = new Service(t)
  const url = await service.up()
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  t.after(() => agent.destroy())
  let answered = 0
  const ask = () =>
    new Promise((resolve, reject) => {
      const request = http.get(url, { agent }, response => {
        response.resume().on('end', () => {
          answered += 1
          resolve(response.statusCode)
        })
      })
      request.on('error', reject)
    })
  let isOver = false
  const client = async () => {
    const seen = []
    // New connections are refused once it drains; what is under way is not.
    while (!isOver)
      seen.push(await ask().catch(error => (error.code === 'ECONNREFUSED' ? (isOver = true) && 'refused' : `${error.code} ${isOver}`)))
    return seen
  }
  const clients = Promise.all(Array.from({ length: 8 }, client))
  while (answered < 40) await new Promise(resolve => setImmediate(resolve))
  service.kill('SIGTERM')
  const [code, signal] = await service.ended
  isOver = true
  const seen = (await clients).flat()
  assert.deepEqual([code, signal], [0, null])
  assert.deepEqual(
    seen.filter(status => status !== 200 && status !== 'refused'),
    [],
  )
  assert.deepEqual(service.lines.slice(1), ['swept', 'closed', 'ended with 0 handlers'])
})

test('SIGINT stops it as well', async t => {
  const service = new Service(t)
  await service.up()
  service.kill('SIGINT')
  assert.deepEqual(await service.ended, [0, null])
  assert.ok(service.lines.includes('closed'))
})

test('a second signal cuts the stop short', async t => {
  const service = new Service(t, 'stuck')
  await service.up()
  service.kill('SIGTERM')
  await service.line('stopping')
  service.kill('SIGTERM')
  const [code] = await service.ended
  assert.equal(code, 1)
  assert.ok(service.lines.includes('closed'))
  assert.match(service.errors, /`stuck`/)
})

test('a third ends the process', async t => {
  const service = new Service(t, 'stubborn')
  await service.up()
  service.kill('SIGTERM')
  await service.line('stopping')
  // Signals that come at once may be told as one.
  const again = setInterval(() => service.kill('SIGTERM'), 20)
  const [code] = await service.ended
  clearInterval(again)
  assert.equal(code, 143)
  assert.ok(!service.lines.includes('closed'))
})

test('a signal during the start undoes it', async t => {
  const service = new Service(t, 'slow start')
  await service.line('starting')
  service.kill('SIGTERM')
  assert.deepEqual(await service.ended, [0, null])
  assert.ok(!service.lines.some(line => line.startsWith('up')))
  assert.ok(service.lines.includes('closed'))
})

test('the process ends with the code that stop was given', async t => {
  const service = new Service(t, 'stops')
  assert.deepEqual(await service.ended, [3, null])
  assert.equal(service.lines.at(-1), 'ended with 0 handlers')
})

test('a failed start ends the process with its error', async t => {
  const service = new Service(t, 'fails')
  const [code] = await service.ended
  assert.equal(code, 1)
  assert.match(service.errors, /StepError.*no power/)
  assert.match(service.errors, /\[cause\]: Error: no power/)
})

test('what was left behind does not keep a process that was told to end', async t => {
  const service = new Service(t, 'stray')
  await service.up()
  service.kill('SIGTERM')
  assert.deepEqual(await service.ended, [0, null])
  assert.match(service.errors, /something keeps the process alive \(.*Timeout.*\)/)
})

test('nor one whose stop has failed', async t => {
  const service = new Service(t, 'stray fails')
  await service.up()
  service.kill('SIGTERM')
  assert.deepEqual(await service.ended, [1, null])
  assert.ok(service.lines.includes('the stop failed: no end'), service.lines.join(', '))
  assert.match(service.errors, /something keeps the process alive/)
})

test('workers needs a program that can be run again', async () => {
  const program = "new (require('hostloop').App)().run({ workers: 2, port: 0 }).catch(error => console.log(error.message))"
  const child = spawn(process.execPath, ['-e', program], { cwd: __dirname, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', data => (text += data))
  await once(child, 'close')
  assert.match(text, /^workers needs a program in a file/)
})
