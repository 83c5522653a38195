/** What is asked for in special ways: transient values, collections, without waiting, lazily. */

const assert = require('node:assert/strict')
const { test } = require('node:test')

const { all, ConflictError, DeadlockError, lazy, StepTimeout, token } = require('hostloop')
const { deferred, quietApp, settled } = require('./lifecycle/apps.js')
const { Db } = require('./lifecycle/sessions.js')

test('transient values are made for each who needs one, and taken back with them', async () => {
  const { app } = quietApp()
  const log = []
  const [Id, A, B] = ['id', 'a', 'b'].map(name => token(name))
  let next = 0
  const id = function* () {
    const own = ++next
    yield own
    log.push(own)
  }
  app.provide(Id, id, { scope: 'transient' })
  app.provide(A, [Id], id => id, { scope: 'request' })
  app.provide(B, [Id, A], (id, a) => [id, a], { scope: 'request' })
  await app.start()
  assert.deepEqual(await app.scope('request', scope => scope.resolve(B)), [1, 2])
  assert.deepEqual(log, [2, 1])
  await app.stop()
})

test('collections have all members, or those that are there', async () => {
  const { app } = quietApp()
  const [Plugin, Plugins] = [token('plugin'), token('plugins')]
  app.provide(Plugins, [all(Plugin)], plugins => plugins, { scope: 'request' })
  app.provide(Plugin, () => 'a')
  app.provide(Plugin, async () => 'b', { scope: 'request' })
  app.provide(Plugin, () => 'c', { scope: 'request' })
  await app.start()
  const found = await app.scope('request', async scope => [await scope.resolve(all(Plugin)), await scope.resolve(Plugins)])
  assert.deepEqual(found, [
    ['a', 'b', 'c'],
    ['a', 'b', 'c'],
  ])
  await app.stop()

  const { app: soft } = quietApp()
  const [One, Seen] = [token('one'), token('seen')]
  soft.provide(One, () => 1, { scope: 'request' })
  soft.provide(Seen, [all(One, { soft: true })], ones => ones.length, { scope: 'request' })
  await soft.start()
  assert.equal(await soft.scope('request', scope => scope.resolve(Seen)), 0)
  const both = async scope => {
    assert.deepEqual(await scope.resolve(all(One, { soft: true })), [])
    await scope.resolve(One)
    assert.deepEqual(await scope.resolve(all(One, { soft: true })), [1])
    return scope.resolve(Seen)
  }
  assert.equal(await soft.scope('request', both), 1)
  await soft.stop()
})

test('what takes waiting cannot be had without', async () => {
  const { app } = quietApp()
  const [Sync, Async, Hidden] = ['sync', 'async', 'hidden'].map(name => token(name))
  app.provide(Db)
  app.provide(Sync, [Db], db => ({ db }), { scope: 'request' })
  app.provide(Async, async () => 1, { scope: 'request' })
  app.provide(Hidden, () => Promise.resolve(1), { scope: 'request' })
  await app.start()
  await app.scope('request', async scope => {
    assert.ok(scope.get(Sync).db instanceof Db)
    assert.throws(() => scope.get(Async), ConflictError)
    assert.throws(() => scope.get(Hidden), ConflictError)
    assert.equal(await scope.resolve(Async), 1)
    assert.equal(scope.get(Async), 1)
  })
  await app.stop()
})

test('lazy breaks cycles, and who would wait for itself is told so', async () => {
  const { app } = quietApp()
  const [A, B] = [token('a'), token('b')]
  const a = async b => {
    await settled()
    return { b: await b.get() }
  }
  app.provide(A, [lazy(B)], a, { scope: 'request' })
  app.provide(B, [A], a => ({ a }), { scope: 'request' })
  await app.start()
  await assert.rejects(
    app.scope('request', scope => scope.resolve(A)),
    error => error instanceof DeadlockError && /`a` would wait for itself: a .* -> b .* -> a/.test(error.message),
  )
  await app.stop()

  const { app: whole } = quietApp()
  whole.provide(A, [lazy(B)], a)
  whole.provide(B, [A], a => ({ a }))
  await whole.start()
  await assert.rejects(whole.resolve(A), DeadlockError)
  await whole.stop()

  const { app: later } = quietApp()
  later.provide(A, [lazy(B)], b => ({ b: () => b.get() }))
  later.provide(B, [A], a => ({ a }))
  await later.start()
  const found = await later.resolve(A)
  assert.equal((await found.b()).a, found)
  await later.stop()
})

test('values of a scope have times of their own', async () => {
  const { app } = quietApp()
  const [Slow, Stuck] = [token('slow'), token('stuck')]
  const closed = deferred()
  const late = deferred()
  const slow = async function* () {
    yield await late.promise
    closed.resolve('closed')
  }
  app.provide(Slow, slow, { scope: 'request', timeout: 0.01 })
  const stuck = async function* () {
    yield 1
    await new Promise(() => {})
  }
  app.provide(Stuck, stuck, { scope: 'request', stopTimeout: 0.01 })
  await app.start()
  await assert.rejects(
    app.scope('request', scope => scope.resolve(Slow)),
    error => error instanceof StepTimeout && /`slow` \(test.*\) did not end in 0.01 s/.test(error.message),
  )
  late.resolve(1)
  assert.equal(await closed.promise, 'closed')
  await assert.rejects(
    app.scope('request', scope => scope.resolve(Stuck)),
    StepTimeout,
  )
  await app.stop()
})
