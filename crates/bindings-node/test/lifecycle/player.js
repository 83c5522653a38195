/** Plays a case of `conformance/lifecycle` in a real container, whose functions are real ones on a clock of the test's. */

const { HostloopError } = require('hostloop')
const { Container } = require('../../dist/lifecycle/container.js')
const { NO_ERROR } = require('../../dist/lifecycle/held.js')
const { ManualClock } = require('../../dist/lifecycle/native.js')
const { readLifetimes } = require('../../dist/lifecycle/options.js')
const { Scope } = require('../../dist/lifecycle/scope.js')
const { wire } = require('../../dist/lifecycle/writer.js')
const { Case } = require('./cases.js')
const { Clock, round, settled } = require('./clock.js')

const MANY = 100_000
const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** A container that says what becomes of it. */
class Watched extends Container {
  constructor(player, gate, life) {
    super(gate, life)
    this.player = player
  }

  started() {
    this.player.say('started')
    super.started()
  }

  stopped(code, failures) {
    this.player.say(`stopped with ${code}${failures.map(({ message }) => `; ${message}`).join('')}`)
    super.stopped(code, failures)
  }

  reloaded(generation, failure) {
    this.player.say(failure === undefined ? 'reloaded' : failure.message)
    super.reloaded(generation, failure)
  }

  exit(code) {
    this.player.say(`exit with ${code}`)
  }
}

/** What takes requests, of a case. */
class Gate {
  #cut = new AbortController()

  constructor(player, node) {
    this.player = player
    this.node = node ?? { id: 'http' }
  }

  listen() {
    return this.player.case.act(this.node, 'listen')
  }

  async drain(timeout) {
    this.player.say(`drain ${this.node.id} ${timeout === null ? 'without end' : `within ${Number(timeout.toFixed(3))} s`}`)
    await this.player.case.act(this.node, 'drain', this.#cut.signal)
  }

  cutShort() {
    this.#cut.abort()
  }

  swap() {}
}

/** Plays one case. */
class Player {
  log = []
  outcomes = []
  clock = new Clock()
  manual = new ManualClock()
  requests = new Map()
  scopes = new Map()
  users = []

  constructor(data) {
    this.case = new Case(data, this.clock, text => this.say(text))
  }

  say(text) {
    this.log.push(`${Number(this.clock.now.toFixed(3))} ${text}`)
  }

  async play() {
    const { data } = this.case
    const [declared, overrides] = this.case.declarations()
    const wiring = wire(declared, overrides, this.case.scopes)
    const { drain_timeout: drainTimeout = 15, ...options } = data.options ?? {}
    const lifetimes = readLifetimes(Object.fromEntries(Object.entries(options).map(([name, value]) => [camel(name), value])))
    const gate = new Gate(
      this,
      data.nodes.find(node => node.kind === 'listener'),
    )
    const life = { wiring, lifetimes, drainTimeout, logger: silent, clock: this.manual, observe: event => this.observe(event) }
    this.container = new Watched(this, gate, life)
    this.case.ask = id => this.container.ask(this.number(id))
    for (const step of data.steps) {
      await this.step(step)
      await this.settle()
    }
  }

  observe({ kind, node, detail }) {
    const label = node === undefined ? '' : this.container.wiring.node(node).label
    if (['hook starting', 'hook started', 'hook stopping', 'hook stopped'].includes(kind)) this.say(`${kind} ${detail}`)
    else this.say(`${kind} ${label}`.trimEnd() + (detail === '' ? '' : label === '' ? ` ${detail}` : `: ${detail}`))
  }

  number(id) {
    return this.container.wiring.nodes.find(({ label, kind }) => label === id && kind !== 'alias').index
  }

  // Time.

  /** Lets everything happen that happens at this instant. */
  async settle() {
    for (let turn = 0; turn < MANY; turn++) {
      this.manual.moveTo(this.clock.now)
      this.container.pump()
      await settled()
      if (!this.clock.wakeOne()) return
    }
    throw new Error(`${this.case.data.name}: never at rest`)
  }

  async advance(seconds) {
    const end = round(this.clock.now + seconds)
    for (;;) {
      await this.settle()
      const delay = this.container.run.poll()
      this.container.pump()
      const coming = Math.min(this.clock.next, delay === null ? Infinity : round(this.clock.now + delay))
      if (coming > end) break
      this.clock.now = Math.max(this.clock.now, coming)
    }
    this.clock.now = end
  }

  // Steps.

  async step(step) {
    try {
      await this.do(step.split(' '))
    } catch (error) {
      if (!(error instanceof HostloopError) && !error.code?.startsWith('ERR_HOSTLOOP')) throw error
      this.say(error.message)
    }
  }

  async do([word, ...rest]) {
    const { container } = this
    switch (word) {
      case 'start':
        container.run.start()
        return container.wake()
      case 'stop':
        return container.stop(Number(rest[0] ?? 0))
      case 'signal':
        return container.signal(15)
      case 'advance':
        return this.advance(Number(rest[0]))
      case 'abandon':
        return this.requests.get(rest[0]).abort()
      case 'open':
        return this.open(rest[0], rest[1], rest[3])
      case 'give':
        this.scopes.get(rest[2]).values[container.wiring.places.get(this.number(rest[0]))] = {}
        return
      case 'close':
        return void this.scopes
          .get(rest[0])
          .close()
          .catch(() => {})
      case 'throw':
        return void this.scopes
          .get(rest[1])
          .close(new Error('thrown'))
          .catch(() => {})
      case 'ready':
        return this.case.handles.get(rest[0]).ready()
      case 'tick':
        return this.case.handles.get(rest[0]).tick()
      case 'restart':
        return container.restart(this.number(rest[0]))
      case 'reload':
        return void this.reload(rest[0])
      case 'hook':
        return container.addHook(2n ** 63n, { label: rest[0], source: '' })
      case 'enter':
        container.generation.enter()
        return this.users.push(container.generation)
      case 'leave':
        return this.users.pop().leave()
      default:
        // `a = request db`, `a = request tx in r`
        return void this.request(word, rest[2], rest[4])
    }
  }

  async request(name, id, scope) {
    const { container } = this
    const giving = new AbortController()
    this.requests.set(name, giving)
    const number = this.number(id)
    try {
      if (scope !== undefined) await this.scopes.get(scope).resolve(this.case.key(this.case.node(id).provides ?? id))
      else if (container.wiring.node(number).depth > 0) throw new Error('it lives in a shorter scope')
      else await container.ask(number, giving.signal)
      this.outcomes.push(`${name} = value`)
    } catch {
      if (!giving.signal.aborted) this.outcomes.push(`${name} = error`)
    }
  }

  async open(name, kind, outer) {
    const { container } = this
    const parent = this.scopes.get(outer) ?? null
    const depth = this.case.scopes.indexOf(kind)
    const table = parent === null ? container.generation.tables.get(kind) : parent.table.inside(depth)
    this.scopes.set(name, new Scope(table, parent).open())
  }

  async reload(id) {
    try {
      await this.container.reload([this.number(id)])
    } catch (error) {
      if (/cannot be|reload it while/.test(error.message)) this.say(error.message)
    }
  }
}

function camel(name) {
  return name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())
}

module.exports = { Player, NO_ERROR }
