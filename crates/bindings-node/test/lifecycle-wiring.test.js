/** Declaring what an application is made of, and checking it. */

const assert = require('node:assert/strict')
const { test } = require('node:test')

const { all, App, InvalidError, lazy, Lifecycle, named, NotProvidedError, optional, token, WiringError } = require('hostloop')
const { quietApp } = require('./lifecycle/apps.js')

class Settings {}
class Db {
  constructor(settings) {
    this.settings = settings
  }
}
class Store {}
class DiskStore extends Store {
  constructor(db) {
    super()
    this.db = db
  }
}

async function started(app, body) {
  await app.start()
  try {
    return await body()
  } finally {
    await app.stop()
  }
}

test('every word returns the application', () => {
  const { app } = quietApp()
  const Name = token('name')
  const chained = app
    .supply(Settings, new Settings())
    .provide(Db, [Settings])
    .alias(Name, Db)
    .decorate(Db, db => db)
    .context(token('user'))
    .invoke([Db], () => {})
    .hook({ onStart() {} })
    .worker('w', async () => {})
    .module('m', () => {})
    .get('/', () => 'x')
    .route('LOCK', '/x', () => 'x')
  assert.equal(chained, app)
})

test('a class is constructed with what it asks for, under its own key or another', async () => {
  const { app } = quietApp()
  app.supply(Settings, new Settings()).provide(Db, [Settings]).provide(Store, [Db], DiskStore)
  await started(app, async () => {
    const store = await app.resolve(Store)
    assert.ok(store instanceof DiskStore)
    assert.equal(store.db.settings, await app.resolve(Settings))
  })
})

test('one value may have several keys', async () => {
  const { app } = quietApp()
  const [Reader, Writer] = [token('reader'), token('writer')]
  app.supply(Settings, new Settings())
  app.provide(Db, [Settings], { as: [Reader] }).alias(Writer, Db)
  await started(app, async () => {
    const db = await app.resolve(Db)
    assert.equal(await app.resolve(Reader), db)
    assert.equal(await app.resolve(Writer), db)
  })
})

test('names tell values of one key apart', async () => {
  const { app } = quietApp()
  const Both = token('both')
  app.provide(Db, () => new Db('main'))
  app.provide(named(Db, 'replica'), () => new Db('replica'))
  app.provide(Both, [Db, named(Db, 'replica')], (main, replica) => [main.settings, replica.settings])
  await started(app, async () => assert.deepEqual(await app.resolve(Both), ['main', 'replica']))
})

test('optional does without, all takes every one, lazy takes it later', async () => {
  const { app } = quietApp()
  const [Part, None, Seen] = ['part', 'none', 'seen'].map(name => token(name))
  app.provide(Part, () => 1).provide(Part, async () => 2)
  app.provide(Db, () => new Db('lazy'))
  app.provide(Seen, [optional(None), all(Part), lazy(Db), all(None)], (...seen) => seen)
  await started(app, async () => {
    const [none, parts, db, nothing] = await app.resolve(Seen)
    assert.equal(none, undefined)
    assert.deepEqual(parts, [1, 2])
    assert.equal((await db.get()).settings, 'lazy')
    assert.equal(db.now(), await db.get())
    assert.deepEqual(nothing, [])
    assert.deepEqual(await app.resolve(all(Part)), [1, 2])
    assert.equal(all(Part), all(Part))
    await assert.rejects(app.resolve(optional(None)), InvalidError)
    await assert.rejects(app.resolve(lazy(Db)), InvalidError)
  })
})

test('decorators are applied in the order of their declaration', async () => {
  const { app } = quietApp()
  const [Text, Mark] = [token('text'), token('mark')]
  app.supply(Mark, '!').provide(Text, () => 'a')
  app.decorate(Text, async text => `${text}b`)
  app.decorate(Text, [Mark], (text, mark) => text + mark)
  await started(app, async () => assert.equal(await app.resolve(Text), 'ab!'))
})

test('what is private in a module is seen by it alone', async () => {
  const { app } = quietApp()
  const [Secret, Public] = [token('secret'), token('public')]
  app.module('billing', module => {
    module.provide(Secret, () => 'key', { private: true })
    module.provide(Public, [Secret], secret => `with ${secret}`)
  })
  await started(app, async () => {
    assert.equal(await app.resolve(Public), 'with key')
    await assert.rejects(app.resolve(Secret), NotProvidedError)
  })
})

test('an application can be asked for itself', async () => {
  class Service extends App {}
  const service = new Service()
  let seen
  service.invoke([App, Service], (...both) => void (seen = both))
  await started(service, async () => assert.deepEqual(seen, [service, service]))
})

test('every mistake is told at once, with the place and the fix', () => {
  const { app } = quietApp()
  const [A, B, Session] = [token('a'), token('b'), token('Session')]
  app.provide(Db, [Settings])
  app.provide(A, [B], b => b).provide(B, [A], a => a)
  app.provide(Session, () => 1, { scope: 'request' })
  app.worker('main', [Db, Session, A], async () => {})
  assert.throws(
    () => app.check(),
    error => {
      assert.ok(error instanceof WiringError)
      assert.equal(error.code, 'ERR_HOSTLOOP_WIRING')
      assert.deepEqual(error.mistakes.map(({ code }) => code).sort(), ['cycle', 'leak', 'missing'])
      const missing = error.mistakes.find(({ code }) => code === 'missing')
      assert.match(missing.message, /`Db` needs `Settings`, which nothing provides/)
      assert.match(missing.fix, /provide/)
      assert.match(missing.path[0].source, /^test\/lifecycle-wiring\.test\.js:\d+$/)
      assert.match(error.message, /the wiring has 3 mistakes/)
      return true
    },
  )
})

test('what comes close is named', async () => {
  const { app } = quietApp()
  app.supply(Settings, new Settings()).provide(Db, [Settings]).provide(DiskStore, [Db])
  app.invoke([Store], () => {})
  assert.throws(() => app.check(), /DiskStore/)
  const { app: running } = quietApp()
  running.provide(Settings)
  await started(running, () =>
    assert.rejects(running.resolve(Db), error => error instanceof NotProvidedError && /nothing provides `Db`/.test(error.message)),
  )
})

test('what nothing needs is a warning', () => {
  const { app } = quietApp()
  app.provide(Settings)
  assert.deepEqual(
    app.check().map(({ code }) => code),
    ['unused'],
  )
})

test('an override takes the place of what is provided, and the application stays as it is', async () => {
  const { app } = quietApp()
  const [Mailer, Inbox] = [token('mailer'), token('inbox')]
  app.provide(Mailer, () => 'smtp').provide(Inbox, [Mailer], mailer => `inbox of ${mailer}`)
  app.decorate(Mailer, mailer => `traced ${mailer}`)
  const tested = app.override(Mailer, 'fake')
  await started(tested, async () => assert.equal(await tested.resolve(Inbox), 'inbox of fake'))
  const made = app.override(module => module.provide(Mailer, async () => 'made'))
  await started(made, async () => assert.equal(await made.resolve(Inbox), 'inbox of made'))
  await started(app, async () => assert.equal(await app.resolve(Inbox), 'inbox of traced smtp'))
})

test('an override of nothing is a mistake, and one that provides nothing is refused', () => {
  const { app } = quietApp()
  assert.throws(
    () => app.override(token('x'), 1),
    error => error instanceof WiringError && /path: x \(test\/lifecycle-wiring\.test\.js:\d+\)/.test(error.message),
  )
  assert.throws(() => app.override(module => module.hook({ onStart() {} })), InvalidError)
})

test('what cannot be is refused where it is written', () => {
  const { app } = quietApp()
  const Thing = token('thing')
  const refused = {
    'is no key; use a class or a token': () => app.provide('thing', () => 1),
    'imported in a circle': () => app.provide(Thing, [undefined], () => 1),
    'which cannot be called': () => app.invoke([Thing], 7),
    'has the option timeOut': () => app.provide(Thing, () => 1, { timeOut: 5 }),
    'use seconds above 0': () => app.provide(Thing, () => 1, { timeout: -1 }),
    'await it, or provide': () => app.supply(Thing, Promise.resolve(1)),
    'neither onStart nor onStop': () => app.hook({}),
    'hooks are the application': () => app.provide(Thing, [Lifecycle], () => 1, { scope: 'request' }),
    'a text that is not empty': () => token(''),
    'declare without waiting': () => app.module('m', async () => {}),
    'use supply': () => app.context(Thing, { scope: 'app' }),
    'there are scopes': () => new App({ scope: [] }),
    'App is given null': () => new App(null),
    'scopes is null': () => new App({ scopes: null }),
    'lifetimes is given null': () => new App({ lifetimes: null }),
    'limits is given null': () => new App({ limits: null }),
    'timeouts is given null': () => new App({ timeouts: null }),
    'logger has no debug, info, warn, error': () => new App({ logger: {} }),
    'logger has no debug, info; give an object with': () => new App({ logger: { warn() {}, error() {} } }),
    'accessLog is "yes"; use true or false': () => new App({ accessLog: 'yes' }),
    'overrideGlobals is 1': () => new App({ overrideGlobals: 1 }),
    'a token cannot be constructed; give it a function': () => app.provide(Thing),
    'which takes 1, with 0; list a key for each parameter': () => app.provide(Db),
    'which takes 1, with 0;': () => app.provide(Store, DiskStore),
    'private is "yes"': () => app.provide(Thing, () => 1, { private: 'yes' }),
    'context has the option scopes': () => app.context(Thing, { scopes: 'request' }),
    'timeout is "5"': () => app.hook({ name: 'slow', onStart() {}, timeout: '5' }),
    'from the longest to the shortest': () => new App({ scopes: ['request'] }),
    'lifetimes.stopTimeout is 0': () => new App({ lifetimes: { stopTimeout: 0 } }),
    'timeouts.drain is': () => new App({ timeouts: { drain: -1 } }),
  }
  for (const [text, call] of Object.entries(refused)) {
    assert.throws(
      call,
      error => error instanceof InvalidError && (error.message.includes(text) || assert.fail(`${error.message} has no ${text}`)),
      text,
    )
  }
})

test('errors of options name the declaration and its place', () => {
  const { app } = quietApp()
  const named = /^(provide|supply|hook|invoke)(: `\w+`)? \(test\/lifecycle-wiring\.test\.js:\d+\)/
  const slow = () => 1
  const places = [
    () => app.provide(token('slow'), slow, { timeout: -1 }),
    () => app.supply(token('slow'), 1, { timeout: 1 }),
    () => app.hook({ onStart: slow, stopTimeout: 0 }),
    () => app.hook({}),
    () => app.hook({ onStarted: slow }),
    () => app.invoke(slow, { timeout: 'x' }),
  ]
  for (const place of places)
    assert.throws(place, error => error instanceof InvalidError && (named.test(error.message) || assert.fail(error.message)))
})

test('what lives as long as the application and can have no scope is told to enter one', () => {
  const { app } = quietApp()
  const Session = token('Session')
  app.provide(Session, () => 1, { scope: 'request' })
  app.worker('main', [Session], async () => {})
  app.provide(Store, [Session], () => new Store()).invoke([Store], () => {})
  assert.throws(
    () => app.check(),
    ({ mistakes, message }) => {
      const [worker, store] = ['main', 'Store'].map(label => mistakes.find(({ path }) => path[0].label === label))
      assert.equal(worker.fix, 'a worker has no scope of its own; open the scope "request" in it, and ask for `Session` there')
      assert.match(store.fix, /^give `Store` the scope "request"/)
      for (const { text } of mistakes) assert.ok(message.includes(text))
      return true
    },
  )
})

test('places are right at the top level of a module, in classes and in callbacks', async () => {
  const { words } = await import('./lifecycle/programs/places.mjs')
  assert.deepEqual(
    words.map(([line, place]) => [`test/lifecycle/programs/places.mjs:${line}`, place]).filter(([wanted, place]) => wanted !== place),
    [],
  )
  assert.equal(words.length, 5)
})

test('the picture has nodes with their states, and is written in four ways', async () => {
  const { app } = quietApp()
  app
    .supply(Settings, new Settings())
    .provide(Db, [Settings])
    .invoke([Db], () => {})
  assert.equal(app.explain().stage, 'planned')
  await started(app, () => {
    const { stage, nodes, edges } = app.explain()
    assert.equal(stage, 'running')
    const db = nodes.find(({ label }) => label === 'Db')
    assert.equal(db.state, 'ready')
    assert.match(db.source, /lifecycle-wiring/)
    assert.ok(edges.some(({ from, kind }) => from === db.id && kind === 'needs'))
    assert.match(app.explain('dot'), /digraph/)
    assert.match(app.explain('mermaid'), /flowchart/)
    assert.match(app.explain('html'), /<html/)
    assert.deepEqual(JSON.parse(app.explain('json')).scopes, ['app', 'request'])
    assert.throws(() => app.explain('pdf'), InvalidError)
  })
})
