/** Workers: run from the start to the stop, and again when they fail. */

const assert = require('node:assert/strict')
const { setTimeout: wait } = require('node:timers/promises')
const { test } = require('node:test')

const { ConflictError, FatalError, InvalidError, LifecycleError, NotProvidedError, StepError, token } = require('hostloop')
const { deferred, quietApp, settled, withClock } = require('./lifecycle/apps.js')

test('a worker runs until the stop, which its signal tells it of', async () => {
  const { app } = quietApp()
  const log = []
  const Links = token('links')
  app.provide(Links, () => 'links')
  app.worker('sweeper', [Links], async (links, { signal, attempt }) => {
    log.push(`${links} ${attempt}`)
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    log.push('swept')
  })
  await app.start()
  assert.deepEqual(log, ['links 1'])
  await app.stop()
  assert.deepEqual(log, ['links 1', 'swept'])
})

test('one that ends by an AbortError when it is stopped has not failed', async () => {
  const { app, lines } = quietApp()
  app.worker('sleeper', async ({ signal }) => {
    await wait(60_000, undefined, { signal })
  })
  await app.start()
  await app.stop()
  assert.deepEqual(lines, [])
})

test('sleep ends early at the stop, and says whether it may go on', async () => {
  const { app } = quietApp()
  const turns = []
  app.worker('ticker', async ({ sleep }) => {
    turns.push(await sleep(0.001))
    turns.push(await sleep(60))
    turns.push(await sleep(60))
    woken.resolve()
  })
  const woken = deferred()
  await app.start()
  while (turns.length === 0) await wait(1)
  await app.stop()
  await woken.promise
  assert.deepEqual(turns, [true, false, false])
})

test('sleep takes any number of seconds from 0 on, and nothing else', async t => {
  const { app } = quietApp()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const woken = []
  const refused = []
  app.worker('sleeper', async ({ sleep }) => {
    for (const seconds of [Number.NaN, -1, '1', undefined]) await sleep(seconds).catch(error => refused.push(error.message))
    woken.push(await sleep(30 * 24 * 3600))
    woken.push(await sleep(Infinity))
  })
  await app.start()
  await settled()
  t.mock.timers.tick(2 ** 31 - 1)
  await settled()
  assert.deepEqual(woken, [])
  t.mock.timers.tick(30 * 24 * 3600 * 1000 - (2 ** 31 - 1))
  await settled()
  assert.deepEqual(woken, [true])
  await app.stop()
  assert.deepEqual(woken, [true, false])
  assert.deepEqual(
    refused,
    ['NaN', '-1', '"1"', 'undefined'].map(shown => `sleep is given ${shown}; give it seconds from 0 on`),
  )
})

test('a worker that fails is run again after waits that grow', async () => {
  const { app, lines } = quietApp()
  const advance = withClock(app)
  const attempts = []
  app.worker(
    'flaky',
    async ({ attempt, signal }) => {
      attempts.push(attempt)
      if (attempt < 3) throw new Error('again')
      await new Promise(resolve => signal.addEventListener('abort', resolve))
    },
    { backoff: 1, factor: 2, jitter: 0 },
  )
  await app.start()
  await settled()
  await advance(0.9)
  assert.deepEqual(attempts, [1])
  await advance(0.1)
  assert.deepEqual(attempts, [1, 2])
  await advance(1.9)
  assert.deepEqual(attempts, [1, 2])
  await advance(0.1)
  assert.deepEqual(attempts, [1, 2, 3])
  assert.ok(lines.some(line => /worker `flaky` \(test.*:\d+\) failed: Error: again\n {4}at /.test(line)))
  await app.stop()
})

test('always runs a worker again that has returned, never does not', async () => {
  const { app } = quietApp()
  const advance = withClock(app)
  const runs = { always: 0, once: 0 }
  app.worker('always', async () => void (runs.always += 1), { restart: 'always', jitter: 0 })
  app.worker('once', async () => void (runs.once += 1))
  await app.start()
  await settled()
  await advance(1)
  assert.deepEqual(runs, { always: 2, once: 1 })
  await app.stop()
})

test('one that fails too often stops the application, which tells why', async () => {
  const { app } = quietApp()
  app.worker('broken', () => Promise.reject(new Error('no power')), { restart: 'never' })
  await app.start()
  await assert.rejects(
    app.wait(),
    error => error instanceof StepError && error.cause.message === 'no power' && /`broken`/.test(error.message),
  )
})

test('a thrown string is its failure too', async () => {
  const { app, lines } = quietApp()
  app.worker(
    'rude',
    async () => {
      throw 'enough'
    },
    { restart: 'never' },
  )
  await app.start()
  await assert.rejects(app.wait(), error => error.cause === 'enough' && /: enough$/.test(error.message))
  assert.ok(lines.some(line => line.endsWith('failed: enough')))
})

test('a FatalError is not tried again', async () => {
  const { app } = quietApp()
  let runs = 0
  app.worker('doomed', async () => {
    runs += 1
    throw new FatalError('wrong key')
  })
  await app.start()
  await assert.rejects(app.wait(), /wrong key/)
  assert.equal(runs, 1)
})

test('degrade goes on without it, and it may be run again by hand', async () => {
  const { app } = quietApp()
  const advance = withClock(app)
  let isBroken = true
  let runs = 0
  app.worker(
    'optional',
    async ({ signal }) => {
      runs += 1
      if (isBroken) throw new Error('no')
      await new Promise(resolve => signal.addEventListener('abort', resolve))
    },
    { restart: 'never', onExhausted: 'degrade' },
  )
  await app.start()
  await settled()
  await advance(1)
  assert.equal(app.isDegraded, true)
  assert.equal(app.isReady, true)
  isBroken = false
  app.restart('optional')
  await settled()
  assert.equal(runs, 2)
  assert.throws(() => app.restart('optional'), ConflictError)
  assert.throws(
    () => app.restart('nobody'),
    error => error instanceof NotProvidedError && /optional/.test(error.message),
  )
  await app.stop()
})

test('dependents are run anew with it', async () => {
  const { app } = quietApp()
  const advance = withClock(app)
  const log = []
  const fail = deferred()
  app.worker(
    'source',
    async ({ signal }) => {
      log.push('source')
      await (log.length === 2 ? fail.promise : 0)
      await Promise.race([fail.promise, new Promise(resolve => signal.addEventListener('abort', resolve))])
    },
    { restart: 'never', onExhausted: 'restart-dependents' },
  )
  const reader = async ({ signal }) => {
    log.push('reader')
    await new Promise(resolve => signal.addEventListener('abort', resolve))
  }
  app.worker('reader', reader, { after: 'source' })
  await app.start()
  assert.deepEqual(log, ['source', 'reader'])
  fail.reject(new Error('gone'))
  await settled()
  await advance(1)
  await advance(1)
  assert.deepEqual(log.slice(2, 4), ['source', 'reader'])
  app.stop().catch(() => {})
  await settled()
  await advance(5)
  await advance(5)
})

test('the start waits for a worker that says when it is ready', async () => {
  const { app } = quietApp()
  const gate = deferred()
  const worker = async ({ ready, signal }) => {
    await gate.promise
    ready()
    await new Promise(resolve => signal.addEventListener('abort', resolve))
  }
  app.worker('consumer', worker, { ready: true })
  let isUp = false
  const starting = app.start().then(() => (isUp = true))
  await settled()
  assert.equal(isUp, false)
  gate.resolve()
  await starting
  await app.stop()
})

test('one that is silent for too long has failed', async () => {
  const { app } = quietApp()
  const advance = withClock(app)
  const handles = []
  const worker = async context => {
    handles.push(context)
    await new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason)))
  }
  app.worker('silent', worker, { watchdog: 2, backoff: 0, jitter: 0 })
  await app.start()
  await advance(1)
  handles[0].tick()
  await advance(1.5)
  assert.equal(handles.length, 1)
  await advance(1)
  await advance(0)
  assert.equal(handles.length, 2)
  await app.stop()
})

test('one that ignores the stop is told of its deadline, and abandoned', async () => {
  const { app, lines } = quietApp()
  const advance = withClock(app)
  let isLate = false
  const worker = async ({ deadline }) => {
    deadline.addEventListener('abort', () => (isLate = true))
    await new Promise(() => {})
  }
  app.worker('deaf', worker, { stopTimeout: 2 })
  await app.start()
  const stopping = assert.rejects(app.stop(), /`deaf`/)
  await settled()
  await advance(1)
  assert.equal(isLate, false)
  await advance(1)
  assert.equal(isLate, true)
  await advance(1)
  await stopping
  assert.ok(lines.some(line => line.startsWith('hostloop: abandoned deaf')))
})

test('hooks start before workers, and stop after them', async () => {
  const { app } = quietApp()
  const log = []
  app.worker('worker', async ({ signal }) => {
    log.push('worker up')
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    log.push('worker down')
  })
  app.hook({ onStart: () => log.push('hook up'), onStop: () => log.push('hook down') })
  await app.start()
  await app.stop()
  assert.deepEqual(log, ['hook up', 'worker up', 'worker down', 'hook down'])
})

test('options that cannot be kept are refused where they are written', () => {
  const { app } = quietApp()
  const work = async () => {}
  assert.throws(() => app.worker('w', work, { restart: 'sometimes' }), InvalidError)
  assert.throws(() => app.worker('w', work, { jitter: 2 }), InvalidError)
  assert.throws(() => app.worker('w', work, { retries: 2 }), /has the option retries/)
  assert.throws(() => app.worker('w', work, { timeout: 2 }), /add ready: true/)
  assert.throws(() => app.worker('w', async function* () {}), /is a generator/)
  assert.throws(() => app.worker(work), InvalidError)
  const named = /^InvalidError: worker: `w` \(test\/lifecycle-workers\.test\.js:\d+\): /
  assert.throws(() => app.worker('w', work, { restart: 'sometimes' }), named)
  assert.throws(() => app.worker('w', work, { stopTimeout: -1 }), named)
  assert.throws(() => app.worker('w', work, { ready: 'yes' }), named)
  assert.throws(() => app.worker('w', work, { retries: 2 }), /there are after, timeout, stopTimeout, restart, .*, watchdog$/)
  app.worker('w', work, { after: 'nobody' })
  assert.throws(() => app.check(), /is after `nobody`/)
  const { app: twice } = quietApp()
  twice.worker('same', work).worker('same', work)
  assert.throws(() => twice.check(), /`same` .* has the name of `same`/)
})

test('failures of the stop are told with those of workers', async () => {
  const { app } = quietApp()
  app.hook({
    onStop: () => {
      throw new Error('hook broke')
    },
  })
  app.worker('broken', () => Promise.reject(new Error('worker broke')), { restart: 'never' })
  await app.start()
  await assert.rejects(app.wait(), error => error instanceof LifecycleError && error.errors.length === 2)
})
