/** Scopes that are still open at the end of what is around them. */

const assert = require('node:assert/strict')
const { once } = require('node:events')
const { test } = require('node:test')

const { ClosedError, token } = require('hostloop')
const { deferred, quietApp, settled } = require('./lifecycle/apps.js')
const { Session, sessions } = require('./lifecycle/sessions.js')

test('a scope that is still open when the application stops is closed before what it was made of', async () => {
  const log = []
  const { app } = quietApp()
  const [Db, Tx] = [token('db'), token('tx')]
  app.provide(Db, function* () {
    yield 'db'
    log.push('db')
  })
  const tx = async function* () {
    try {
      yield 'tx'
    } finally {
      await settled()
      log.push('tx')
    }
  }
  app.provide(Tx, [Db], tx, { scope: 'request' })
  await app.start()
  await app.scope('request').resolve(Tx)
  await app.stop()
  assert.deepEqual(log, ['tx', 'db'])
})

test('what is half done when the application stops is rolled back, and whoever does it is told', async () => {
  const log = []
  const { app, lines } = sessions(log)
  const gate = deferred()
  await app.start()
  const open = app.scope('request')
  await open.resolve(Session)
  const transfer = app.scope('request', async scope => {
    await scope.resolve(Session)
    await gate.promise
    return 'transferred'
  })
  await settled()
  await app.stop()
  const why = 'the scope "request" was closed before what runs in it had ended: the application stops'
  assert.deepEqual(log, ['begin', 'begin', `rollback: ${why}`, `rollback: ${why}`])
  gate.resolve()
  await assert.rejects(transfer, error => error instanceof ClosedError && error.message === why)
  assert.deepEqual(lines, [])
})

test('a commit that is under way when the application stops is waited for', async () => {
  const { app, lines } = quietApp()
  const log = []
  const gate = deferred()
  const [Db, Tx] = [token('db'), token('tx')]
  app.provide(Db, function* () {
    yield 'db'
    log.push('db closed')
  })
  const tx = async function* () {
    yield 'tx'
    log.push('committing')
    await gate.promise
    log.push('committed')
  }
  app.provide(Tx, [Db], tx, { scope: 'request' })
  await app.start()
  const done = app.scope('request', scope => scope.resolve(Tx))
  while (log.length === 0) await settled()
  const stopping = app.stop()
  for (let turn = 0; turn < 5; turn++) await settled()
  gate.resolve()
  await Promise.all([stopping, done])
  assert.deepEqual(log, ['committing', 'committed', 'db closed'])
  assert.deepEqual(lines, [])
})

test('a scope that is still open when the one around it ends is rolled back', async () => {
  const { app } = quietApp({ scopes: ['app', 'session', 'request'] })
  const log = []
  const Tx = token('tx')
  const tx = function* () {
    try {
      yield 'tx'
      log.push('commit')
    } catch (error) {
      log.push(error.message)
    }
  }
  app.provide(Tx, tx, { scope: 'request' })
  await app.start()
  await app.scope('session', async () => void (await app.scope('request').resolve(Tx)))
  assert.deepEqual(log, ['the scope "request" was closed before what runs in it had ended: the one around it ends'])
  await app.stop()
})

test('what does not end in a scope at the stop is named', async () => {
  const { app, lines } = quietApp({ lifetimes: { stopStepTimeout: 0.01 } })
  const [Never, Stuck] = [token('never'), token('stuck')]
  app.provide(Never, () => new Promise(() => {}), { scope: 'request' })
  const stuck = async function* () {
    try {
      yield 1
    } finally {
      await new Promise(() => {})
    }
  }
  app.provide(Stuck, stuck, { scope: 'request' })
  await app.start()
  app.scope('request').resolve(Never)
  await app.scope('request').resolve(Stuck)
  await app.stop()
  const told = start => lines.find(line => line.startsWith(`hostloop: ${start}`)) ?? assert.fail(lines.join('\n'))
  assert.match(told('the scope "request" ends without'), /`never` \(test.*:\d+\), which did not come into being in 0.01 s/)
  assert.match(told('a scope did not close'), /the teardown of `stuck` \(test.*:\d+\) does not end/)
})

/** A scope whose teardown never ends, and what tells when it has begun. */
async function stuck(lifetimes) {
  const { app, lines } = quietApp({ lifetimes })
  const begun = deferred()
  const Stuck = token('stuck')
  const provider = async function* () {
    try {
      yield 1
    } finally {
      begun.resolve()
      await new Promise(() => {})
    }
  }
  app.provide(Stuck, provider, { scope: 'request' })
  return {
    app,
    begun,
    open: () => app.scope('request').resolve(Stuck),
    isNamed: () => lines.some(line => /did not close in time/.test(line)),
  }
}

test('scopes that do not end have no more time than the whole stop', async () => {
  const { app, open, isNamed } = await stuck({ stopStepTimeout: null, stopTimeout: 0.1, grace: 0.05 })
  await app.start()
  await open()
  await app.stop()
  assert.ok(isNamed())
})

test('a second signal cuts the closing of scopes short', async () => {
  const { app, begun, open, isNamed } = await stuck({ stopStepTimeout: null, stopTimeout: null, cutShort: 0.01 })
  const opened = deferred()
  app.worker('opener', [], async ({ signal }) => {
    await open()
    opened.resolve()
    await once(signal, 'abort')
  })
  const running = app.run()
  await opened.promise
  process.emit('SIGTERM')
  await begun.promise
  process.emit('SIGTERM')
  await running
  assert.ok(isNamed())
})
