/** How an application starts and stops. */

const assert = require('node:assert/strict')
const { channel } = require('node:diagnostics_channel')
const { test } = require('node:test')

const {
  App,
  ConflictError,
  Lifecycle,
  LifecycleError,
  HostloopError,
  ProviderError,
  StepError,
  StepTimeout,
  StoppedError,
  token,
} = require('hostloop')
const { deferred, quietApp, settled, withClock } = require('./lifecycle/apps.js')

const HERE = /test\/lifecycle-start-stop\.test\.js:\d+/

test('independent values are built at once, and those that need them after that', async () => {
  const { app } = quietApp()
  const [First, Second, Both] = ['first', 'second', 'both'].map(name => token(name))
  const gates = [deferred(), deferred()]
  const begun = []
  app.provide(First, () => (begun.push('first'), gates[0].promise))
  app.provide(Second, () => (begun.push('second'), gates[1].promise))
  app.provide(Both, [First, Second], (first, second) => [first, second])
  let seen
  app.invoke([Both], both => void (seen = both))
  const starting = app.start()
  await settled()
  assert.deepEqual(begun, ['first', 'second'])
  gates[1].resolve(2)
  gates[0].resolve(1)
  await starting
  assert.deepEqual(seen, [1, 2])
  await app.stop()
})

test('generators are taken back in the reverse order', async () => {
  const { app } = quietApp()
  const log = []
  const Db = token('db')
  const Cache = token('cache')
  app.provide(Db, async function* () {
    log.push('open db')
    yield 'db'
    log.push('close db')
  })
  app.provide(Cache, [Db], function* (db) {
    log.push(`open cache on ${db}`)
    yield 'cache'
    log.push('close cache')
  })
  app.hook([Cache], { onStart: () => log.push('hook up'), onStop: () => log.push('hook down') })
  await app.start()
  await app.stop()
  assert.deepEqual(log, ['open db', 'open cache on db', 'hook up', 'hook down', 'close cache', 'close db'])
})

test('what a factory returns may be disposed of, unless it was supplied, is passed on, or is to be left alone', async () => {
  const { app } = quietApp()
  const log = []
  const disposable = name => ({ [Symbol.asyncDispose]: async () => void log.push(name) })
  const sync = name => ({ [Symbol.dispose]: () => void log.push(name) })
  const [Given, Own, Sync, Same, Left, Passed] = ['given', 'own', 'sync', 'same', 'left', 'passed'].map(name => token(name))
  app.supply(Given, disposable('given'))
  app.provide(Own, async () => disposable('own'))
  app.provide(Sync, () => sync('sync'))
  app.provide(Same, [Own], own => own)
  app.provide(Left, () => disposable('left'), { dispose: false })
  app.provide(Passed, [Given, Left], given => given)
  app.invoke([Given, Own, Sync, Same, Left, Passed], () => {})
  await app.start()
  await app.stop()
  assert.deepEqual(log.sort(), ['own', 'sync'])
})

test('a failed start undoes what was done, and says which step it was', async () => {
  const { app } = quietApp()
  const log = []
  const Db = token('db')
  app.provide(Db, async function* () {
    yield 'db'
    log.push('closed')
  })
  app.hook([Db], { onStart: () => log.push('first up'), onStop: () => log.push('first down') })
  const cause = new Error('no tables')
  app.invoke([Db], async function migrate() {})
  app.hook([Db], {
    name: 'tables',
    onStart: async () => {
      await settled()
      throw cause
    },
  })
  await assert.rejects(app.start(), error => {
    assert.ok(error instanceof StepError)
    assert.equal(error.code, 'ERR_HOSTLOOP_STEP')
    assert.equal(error.cause, cause)
    assert.match(error.message, /the start of hook `tables` .* failed.*: no tables/)
    assert.match(error.message, HERE)
    return true
  })
  assert.deepEqual(log, ['first up', 'first down', 'closed'])
  assert.equal(app.isReady, false)
})

test('several failures are one aggregate, of which the first is that of the start', async () => {
  const { app } = quietApp()
  const Db = token('db')
  app.provide(Db, async function* () {
    yield 'db'
    throw new Error('cannot close')
  })
  app.invoke([Db], () => {
    throw new Error('cannot start')
  })
  await assert.rejects(app.start(), error => {
    assert.ok(error instanceof LifecycleError && error instanceof AggregateError && error instanceof HostloopError)
    assert.deepEqual(
      error.errors.map(({ cause }) => cause.message),
      ['cannot start', 'cannot close'],
    )
    return true
  })
})

test('what a factory throws is thrown as it is to who asked for its value, a string too', async () => {
  const { app } = quietApp()
  const Broken = token('broken')
  app.provide(Broken, () => {
    throw 'out of order'
  })
  await app.start()
  await assert.rejects(app.resolve(Broken), thrown => thrown === 'out of order')
  await app.stop()
})

test('a hook that takes too long is cancelled by its signal, and the error names it with its place', async () => {
  const { app, lines } = quietApp()
  const advance = withClock(app)
  let reason
  app.hook({
    name: 'migrate',
    timeout: 2,
    onStart: ({ signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          reason = signal.reason
          reject(signal.reason)
        }),
      ),
  })
  const failing = assert.rejects(app.start(), error => {
    assert.ok(error instanceof StepTimeout)
    assert.match(error.message, /hook `migrate` .*did not end in 2.00 s/)
    assert.match(error.message, HERE)
    return true
  })
  await settled()
  await advance(2)
  await failing
  assert.equal(reason.name, 'AbortError')
  assert.ok(lines.some(line => line.startsWith('hostloop: timed out migrate')))
})

test('a hook that ignores its cancellation is abandoned after the grace', async () => {
  const { app, lines } = quietApp()
  const advance = withClock(app)
  app.hook({ name: 'stuck', timeout: 2, onStart: () => new Promise(() => {}) })
  const failing = assert.rejects(app.start(), /`stuck`.*did not end in 2.00 s, and ignored its cancellation/)
  await settled()
  await advance(2)
  await advance(1)
  await failing
  assert.ok(lines.some(line => line.startsWith('hostloop: abandoned stuck')))
})

test('what an abandoned factory makes in the end is taken back', async () => {
  const { app } = quietApp()
  const advance = withClock(app)
  const late = deferred()
  const closed = deferred()
  const Db = token('db')
  app.provide(Db, async function* () {
    yield await late.promise
    closed.resolve('closed')
  })
  app.invoke([Db], () => {})
  const failing = assert.rejects(app.start(), StepTimeout)
  await settled()
  await advance(15)
  await advance(1)
  await failing
  late.resolve('db')
  assert.equal(await closed.promise, 'closed')
})

test('null switches a timeout off', async () => {
  const { app } = quietApp()
  const advance = withClock(app)
  const gate = deferred()
  app.hook({ timeout: null, onStart: () => gate.promise })
  const starting = app.start()
  await settled()
  await advance(3600)
  gate.resolve()
  await starting
  await app.stop()
})

test('a factory adds hooks of its own, which start with its node', async () => {
  const { app } = quietApp()
  const log = []
  const Consumer = token('consumer')
  app.provide(Consumer, [Lifecycle], lifecycle => {
    lifecycle.hook({ onStart: () => log.push('subscribe'), onStop: async () => log.push('unsubscribe') })
    return 'consumer'
  })
  let kept
  app.invoke([Consumer, Lifecycle], (consumer, lifecycle) => void (kept = lifecycle))
  await app.start()
  assert.throws(() => kept.hook({ onStart() {} }), ConflictError)
  await app.stop()
  assert.deepEqual(log, ['subscribe', 'unsubscribe'])
})

test('hooks may be ordered by their names', async () => {
  const { app } = quietApp()
  const log = []
  app.hook({ name: 'second', after: 'first', onStart: () => log.push('second up'), onStop: () => log.push('second down') })
  app.hook({ name: 'first', onStart: () => log.push('first up'), onStop: () => log.push('first down') })
  await app.start()
  await app.stop()
  assert.deepEqual(log, ['first up', 'second up', 'second down', 'first down'])
})

test('invokes run one after the other, in the order of their declaration', async () => {
  const { app } = quietApp()
  const log = []
  app.invoke(async () => {
    await settled()
    log.push(1)
  })
  app.invoke(() => log.push(2))
  await app.start()
  assert.deepEqual(log, [1, 2])
  await app.stop()
})

test('a stop during the start undoes it', async () => {
  const { app } = quietApp()
  const log = []
  app.hook({ onStart: () => log.push('up'), onStop: () => log.push('down') })
  app.hook({ name: 'later', after: 'hook', onStart: () => void app.stop(3) })
  await assert.rejects(app.start(), error => error instanceof StoppedError && error.exitCode === 3)
  assert.deepEqual(log, ['up', 'down'])
})

test('an application starts again after it has stopped, with new values', async () => {
  const { app } = quietApp()
  const Thing = token('thing')
  app.provide(Thing, () => ({}))
  await app.start()
  const first = await app.resolve(Thing)
  await assert.rejects(app.start(), error => error instanceof ConflictError && /runs already; stop it first/.test(error.message))
  assert.throws(() => app.provide(token('late'), () => 1), ConflictError)
  assert.throws(() => app.worker('late', async () => {}), /^ConflictError: worker `late`: the application runs/)
  assert.throws(() => app.hook({ name: 'late', onStart() {} }), /^ConflictError: hook `late`: the application runs/)
  assert.throws(() => app.get('/late', () => 1), /^ConflictError: route `GET \/late`: the application runs/)
  await app.stop()
  await assert.rejects(app.resolve(Thing), ConflictError)
  await app.start()
  assert.notEqual(await app.resolve(Thing), first)
  await app.stop()
})

test('the application is ready from the end of the start to the beginning of the stop', async () => {
  const { app } = quietApp()
  const seen = []
  app.hook({ onStart: () => seen.push(app.isReady), onStop: () => seen.push(app.isReady) })
  await app.start()
  seen.push(app.isReady)
  await app.stop()
  assert.deepEqual(seen, [false, true, false])
})

test('a failed teardown does not keep the others from running', async () => {
  const { app } = quietApp()
  const log = []
  for (const name of ['a', 'b']) {
    const Thing = token(name)
    app.provide(Thing, function* () {
      yield name
      log.push(name)
      throw new Error(`${name} broke`)
    })
    app.invoke([Thing], () => {})
  }
  await app.start()
  await assert.rejects(app.stop(), LifecycleError)
  assert.deepEqual(log, ['b', 'a'])
})

test('a generator must yield once', async () => {
  const { app } = quietApp()
  const [Never, Twice] = [token('never'), token('twice')]
  app.provide(Never, function* () {})
  app.provide(Twice, async function* () {
    yield 1
    yield 2
  })
  await app.start()
  await assert.rejects(app.resolve(Never), error => error instanceof ProviderError && /`never` .*ends without a yield/.test(error.message))
  await app.resolve(Twice)
  await assert.rejects(app.stop(), error => error.cause instanceof ProviderError && /yields a second time/.test(error.message))
})

test('nobody hears of a failure of the stop by the end of the process', async () => {
  const { app } = quietApp()
  app.hook({
    onStop: () => {
      throw new Error('no end')
    },
  })
  await app.start()
  app.stop()
  await settled()
  await assert.rejects(app.wait(), /no end/)
})

test('events are published', async () => {
  const { app } = quietApp()
  const Db = token('db')
  app.provide(Db, () => 'db').invoke([Db], () => {})
  const seen = []
  const listen = event => seen.push(event)
  channel('hostloop:lifecycle').subscribe(listen)
  await app.start()
  await app.stop()
  channel('hostloop:lifecycle').unsubscribe(listen)
  const constructed = seen.find(({ kind, node }) => kind === 'constructed' && node.label === 'db')
  assert.match(constructed.node.source, HERE)
  assert.equal(typeof constructed.seconds, 'number')
  assert.deepEqual(
    seen.filter(({ kind }) => kind === 'phase').map(({ detail }) => detail),
    ['building', 'invoking', 'starting', 'running', 'pre-stop', 'stopping', 'closing', 'closed'],
  )
})

test('a call that keeps the loop from going on is logged', async () => {
  const { app, lines } = quietApp({ lifetimes: { blockedAfter: 0.02 } })
  app.invoke(function busy() {
    const end = performance.now() + 40
    while (performance.now() < end);
  })
  await app.start()
  await app.stop()
  assert.ok(lines.some(line => line.startsWith('hostloop: blocked busy')))
})

test('warnings and errors go to the standard error output by default', async t => {
  const warned = t.mock.method(console, 'warn', () => {})
  const failed = t.mock.method(console, 'error', () => {})
  const app = new App()
  app.hook({
    onStart: () => {
      throw new Error('no')
    },
  })
  await assert.rejects(app.start())
  assert.ok(failed.mock.calls.some(({ arguments: [line] }) => line.includes('hook failed')))
  assert.ok(warned.mock.calls.some(({ arguments: [line] }) => line.includes('rolling back')))
})

test('a logger that throws stops nothing', async t => {
  const told = t.mock.method(console, 'error', () => {})
  const fail = () => {
    throw new Error('the disk is full')
  }
  const app = new App({ logger: { debug: fail, info: fail, warn: fail, error: fail } })
  const log = []
  app.hook({ onStart: () => log.push('up'), onStop: () => log.push('down') })
  app.get('/', () => {
    throw new Error('no')
  })
  const client = await app.test()
  assert.equal((await client.get('/')).status, 500)
  await client.close()
  assert.deepEqual(log, ['up', 'down'])
  assert.ok(told.mock.calls.some(({ arguments: [line] }) => /the logger threw.*the disk is full/.test(line)))
})

test('an error is in the text of the log with its stack, and given besides', async () => {
  const seen = []
  const app = new App({ logger: { debug() {}, info() {}, warn() {}, error: (...line) => void seen.push(line) } })
  const broken = new Error('no power')
  app.worker('broken', () => Promise.reject(broken), { onExhausted: 'degrade', restart: 'never' })
  await app.start()
  while (seen.length === 0) await settled()
  await app.stop()
  const [text, error] = seen[0]
  assert.match(text, /^hostloop: worker `broken` \(test.*:\d+\) failed: Error: no power\n {4}at .*lifecycle-start-stop/)
  assert.equal(error, broken)
})

test('what is no object of options is refused, with what to give', async () => {
  const { app } = quietApp()
  const fix = error => error.code === 'ERR_HOSTLOOP_INVALID' && /is given 3000; give .* such as \{ port: 3000 \}/.test(error.message)
  await assert.rejects(app.start(3000), fix)
  await assert.rejects(app.run(3000), fix)
  await assert.rejects(app.start({ prot: 1 }), /start has the option prot; there are port, host, path, reload/)
  await assert.rejects(app.run({ prot: 1 }), /there are port, host, path, reload, workers, exitAfter/)
  await app.start()
  await assert.rejects(app.resolve(App, { sgnal: 1 }), /resolve has the option sgnal; there are signal/)
  await app.stop()
})

test('await using stops it', async () => {
  const { app } = quietApp()
  const log = []
  app.hook({ onStop: () => log.push('down') })
  await app.start()
  await app[Symbol.asyncDispose]()
  assert.deepEqual(log, ['down'])
})

test('a defect of hostloop’s own stops everything, and is thrown', async () => {
  const { app, lines } = quietApp()
  const log = []
  const defect = new Error('a defect')
  app.hook({ onStart: () => log.push('up'), onStop: () => log.push('down') })
  app.observe = ({ kind }) => {
    if (kind === 'hook started') throw defect
  }
  await assert.rejects(app.start(), error => error === defect)
  assert.deepEqual(log, ['up', 'down'])
  assert.ok(lines.some(line => line.includes('of hostloop itself failed')))
})

test('when the machine itself fails, everything is taken back all the same', async () => {
  const { app, lines } = quietApp()
  const log = []
  const Db = token('db')
  app.provide(Db, async function* () {
    yield 'db'
    log.push('closed')
  })
  app.worker('worker', [Db], async (db, { signal }) => {
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    log.push('worker down')
  })
  await app.start()
  app.container.run.takeCommands = () => {
    throw new Error('broken')
  }
  await assert.rejects(app.stop(), /broken/)
  assert.deepEqual(log.sort(), ['closed', 'worker down'])
  assert.ok(lines.some(line => line.includes('everything ends without order')))
})
