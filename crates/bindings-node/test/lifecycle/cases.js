/** The cases of `conformance/lifecycle`, and from their data to declarations whose functions do what it says. */

const { readFileSync } = require('node:fs')
const { join } = require('node:path')

const { DeadlockError, FatalError, Lifecycle, named, token } = require('hostloop')
const { Wanted } = require('../../dist/lifecycle/keys.js')
const { readPolicy } = require('../../dist/lifecycle/options.js')

const FOLDER = join(__dirname, '../../../../conformance/lifecycle')

function load(file) {
  return JSON.parse(readFileSync(join(FOLDER, file), 'utf8'))
}

/** What a call does, each time. */
function actsOf(node, call) {
  const said = node[call] ?? {}
  return Array.isArray(said) ? said : [said]
}

/** One case, as declarations. */
class Case {
  times = new Map()
  handles = new Map()
  keys = new Map()
  deadlocks = []
  /** Nothing ignores its cancellation any more. */
  isOver = false
  ask = async () => {}

  constructor(data, clock, say) {
    this.data = data
    this.clock = clock
    this.say = say
    this.scopes = data.scopes ?? ['app', 'request']
    for (const node of data.nodes) {
      const bases = (node.conforms ?? []).map(other => this.key(other))
      this.key(node.provides ?? node.id, bases[0])
    }
  }

  /** A class for each key, and what stands for a named one. */
  key(text, base = Object) {
    const [name, variant] = text.split('@')
    if (!this.keys.has(name)) this.keys.set(name, { [name]: class extends base {} }[name])
    const key = this.keys.get(name)
    return variant === undefined ? key : named(key, variant)
  }

  node(id) {
    return this.data.nodes.find(node => node.id === id)
  }

  // Declarations.

  /** What is declared, and what overrides it. */
  declarations() {
    const plain = []
    const overrides = []
    let group
    for (const node of this.data.nodes) {
      const declared = this.declaration(node)
      if (node.override) {
        overrides.push(declared)
        continue
      }
      const module = node.module ?? ''
      if (module !== (group?.label ?? '')) {
        group = module === '' ? undefined : { kind: 'module', label: module, source: '', members: [] }
        if (group !== undefined) plain.push(group)
      }
      ;(group?.members ?? plain).push(declared)
    }
    return [plain, overrides]
  }

  declaration(node) {
    const named = { label: node.id, source: node.source ?? '' }
    const times = { timeout: node.timeout, stopTimeout: node.stop_timeout }
    const keys = [this.key(node.provides ?? node.id), ...(node.as ?? []).map(other => this.key(other))]
    switch (node.kind ?? 'factory') {
      case 'value':
        return { kind: 'supply', ...named, value: {}, keys, isBuiltIn: false }
      case 'context':
        return { kind: 'context', ...named, keys, scope: node.scope ?? 'request' }
      case 'invoke':
        return { kind: 'invoke', ...named, recipe: this.recipe(node, 'make'), timeout: node.timeout }
      case 'hook':
        return {
          kind: 'hook',
          ...named,
          start: this.recipe(node, 'start'),
          stop: this.recipe(node, 'stop'),
          after: node.after ?? [],
          ...times,
        }
      case 'worker':
        return { kind: 'worker', ...named, recipe: this.recipe(node, 'run'), policy: policy(node), after: node.after ?? [], ...times }
      case 'listener':
        return { kind: 'listener', ...named }
      case 'handler':
        return { kind: 'handler', ...named, parameters: this.parameters(node), isSyncOnly: node.sync_only ?? false }
      default:
        return {
          kind: 'provide',
          ...named,
          recipe: this.recipe(node, 'make'),
          keys,
          scope: node.scope ?? 'app',
          isPrivate: node.private ?? false,
          isDecorator: node.kind === 'decorator',
          ...times,
        }
    }
  }

  recipe(node, call) {
    const isResource = node.kind === 'resource'
    // What is only checked is as asynchronous as the case says.
    const isAsync = 'steps' in this.data || (node.async ?? false)
    const isSeen = this.isSeen(node)
    const parameters = this.parameters(node)
    if (call === 'make' && isSeen && 'steps' in this.data) parameters.push(Lifecycle)
    return {
      call: isResource ? this.resource(node) : call === 'run' ? this.work(node) : this.function(node, call),
      style: !isResource ? 'function' : isAsync ? 'async generator' : 'generator',
      isAsync,
      parameters,
      label: node.id,
      source: node.source ?? '',
      disposes: false,
    }
  }

  parameters(node) {
    return (node.needs ?? []).map(need => this.need(need))
  }

  /** A need, as the README of the cases says. */
  need(need) {
    if (need.startsWith('?')) return new Wanted({ ...this.need(need.slice(1)), isOptional: true })
    if (need.startsWith('~')) return new Wanted({ ...this.need(need.slice(1)), isLazy: true })
    if (need.startsWith('*~')) return this.collection(need.slice(2), true)
    return need.startsWith('*') ? this.collection(need.slice(1), false) : new Wanted({ key: this.key(need) })
  }

  /** The cases call a collection `list[...]`. */
  collection(name, isSoft) {
    const label = `list[${name}]`
    if (!this.keys.has(label)) this.keys.set(label, token(label))
    return new Wanted({ key: this.keys.get(label), member: this.key(name), isSoft })
  }

  // What calls do.

  function(node, call) {
    // What is given besides is last: a `Lifecycle`, or the context of a hook.
    return async (...given) => {
      if (call === 'make') await this.make(node, given.at(-1))
      else await this.act(node, call, given.at(-1)?.signal)
      return {}
    }
  }

  resource(node) {
    const self = this
    return async function* (...given) {
      await self.make(node, given.at(-1))
      try {
        yield {}
      } finally {
        await self.told(node, 'finaliz', () => self.act(node, 'close', given.at(-1)?.signal))
      }
    }
  }

  work(node) {
    const ignoresStop = actsOf(node, 'run').some(act => act.ignores_stop)
    return async (...given) => {
      const handle = given.at(-1)
      this.handles.set(node.id, handle)
      await this.act(node, 'run', ignoresStop ? handle.deadline : handle.signal)
    }
  }

  async make(node, lifecycle) {
    const act = this.next(node, 'make')
    if (act.hook !== undefined) lifecycle.hook({ onStart: async () => {}, onStop: async () => {}, name: act.hook })
    if (act.asks !== undefined) await this.askFor(act.asks)
    await this.told(node, 'construct', () => this.act(node, 'make', lifecycle?.signal))
  }

  async askFor(id) {
    try {
      await this.ask(id)
    } catch (error) {
      // Who waits for the one that was refused is given the same error.
      if (error instanceof DeadlockError && !this.deadlocks.includes(error.message)) {
        this.deadlocks.push(error.message)
        this.say(error.message)
      }
      throw error
    }
  }

  /** Whether the machine makes it. What happens in shorter scopes it does not see. */
  isSeen(node) {
    return ['app', 'transient'].includes(node.scope ?? 'app')
  }

  /** Tells of what the machine does not see. */
  async told(node, word, call) {
    if (this.isSeen(node)) return call()
    this.say(`${word}ing ${node.id}`)
    try {
      await call()
    } catch (error) {
      this.say(`${word === 'construct' ? word : 'finalize'} failed ${node.id}`)
      throw error
    }
    this.say(`${word}ed ${node.id}`)
  }

  next(node, call) {
    const acts = actsOf(node, call)
    return acts[Math.min(this.times.get(`${node.id} ${call}`) ?? 0, acts.length - 1)]
  }

  /** Does what the data says of a call, this time. */
  async act(node, call, signal) {
    const act = this.next(node, call)
    this.times.set(`${node.id} ${call}`, (this.times.get(`${node.id} ${call}`) ?? 0) + 1)
    const end = act.hangs ? null : this.clock.now + (act.takes ?? 0)
    for (let heeded = signal; ; heeded = undefined) {
      try {
        await this.clock.sleep(end === null ? null : end - this.clock.now, heeded)
        break
      } catch (aborted) {
        if (act.ignores_cancel && !this.isOver) continue
        await this.clock.sleep(act.unwinds ?? 0)
        throw aborted
      }
    }
    if (act.fatal) throw new FatalError(`${node.id} is beyond help`)
    if (act.fails) throw new Error(`${node.id} fails`)
  }
}

function policy(node) {
  return readPolicy({
    restart: (node.restart ?? 'on-failure').replace('_', '-'),
    onExhausted: (node.on_exhausted ?? 'stop-app').replace('_', '-'),
    ready: node.ready ?? false,
    watchdog: node.watchdog ?? null,
    jitter: 0,
  })
}

module.exports = { Case, actsOf, load }
