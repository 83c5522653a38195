/** Scopes: what is made in one is made once, and taken back at its end. */

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const { test } = require('node:test')

const { ClosedError, InvalidError, LifecycleError, NotProvidedError, token } = require('hostloop')
const { deferred, quietApp, settled } = require('./lifecycle/apps.js')
const { Db, Session, sessions } = require('./lifecycle/sessions.js')

test('a hundred who ask at once are given one value', async () => {
  const { app } = quietApp()
  const gate = deferred()
  let made = 0
  const Slow = token('slow')
  app.provide(Slow, async () => {
    made += 1
    await gate.promise
    return {}
  })
  await app.start()
  const asked = Array.from({ length: 100 }, () => app.resolve(Slow))
  gate.resolve()
  assert.equal(new Set(await Promise.all(asked)).size, 1)
  assert.equal(made, 1)
  await app.stop()
})

test('in a scope too, and each scope has its own', async () => {
  const { app } = quietApp()
  let made = 0
  const Slow = token('slow')
  const slow = async () => {
    made += 1
    await settled()
    return {}
  }
  app.provide(Slow, slow, { scope: 'request' })
  await app.start()
  const ask = () => app.scope('request', async scope => new Set(await Promise.all(Array.from({ length: 100 }, () => scope.resolve(Slow)))))
  const [one, other] = await Promise.all([ask(), ask()])
  assert.equal(one.size, 1)
  assert.equal(other.size, 1)
  assert.notEqual([...one][0], [...other][0])
  assert.equal(made, 2)
  await app.stop()
})

test('who gives up harms nobody else, and with the last the factory is cancelled', async () => {
  const { app } = quietApp()
  const { Lifecycle } = require('hostloop')
  const Slow = token('slow')
  const cancelled = deferred()
  const gate = deferred()
  app.provide(Slow, [Lifecycle], ({ signal }) => {
    signal.addEventListener('abort', () => cancelled.resolve(signal.reason.name))
    return gate.promise
  })
  await app.start()
  const [one, other] = [new AbortController(), new AbortController()]
  const gaveUp = assert.rejects(app.resolve(Slow, { signal: one.signal }), { name: 'AbortError' })
  const waits = app.resolve(Slow, { signal: other.signal })
  await settled()
  one.abort()
  await gaveUp
  gate.resolve('made')
  assert.equal(await waits, 'made')
  await app.reload(Slow)

  const { app: alone } = quietApp()
  alone.provide(Slow, [Lifecycle], ({ signal }) => {
    signal.addEventListener('abort', () => cancelled.resolve(signal.reason.name))
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  await alone.start()
  const last = new AbortController()
  const rejected = assert.rejects(alone.resolve(Slow, { signal: last.signal }))
  await settled()
  last.abort()
  await rejected
  assert.equal(await cancelled.promise, 'AbortError')
  await alone.stop()
  await app.stop()
})

test('a failure is told to all who wait, and the next who asks has it tried again', async () => {
  const { app } = quietApp()
  let attempts = 0
  const Flaky = token('flaky')
  const flaky = async () => {
    attempts += 1
    await settled()
    if (attempts === 1) throw new Error('not yet')
    return 'there'
  }
  app.provide(Flaky, flaky, { scope: 'request' })
  await app.start()
  await app.scope('request', async scope => {
    const ends = await Promise.allSettled([scope.resolve(Flaky), scope.resolve(Flaky)])
    assert.deepEqual(
      ends.map(({ reason }) => reason.message),
      ['not yet', 'not yet'],
    )
    assert.equal(await scope.resolve(Flaky), 'there')
  })
  await app.stop()
})

test('what is independent is made at once, and taken back in the reverse order of its making', async () => {
  const { app } = quietApp()
  const log = []
  const gates = { a: deferred(), b: deferred() }
  const [A, B, Both] = ['a', 'b', 'both'].map(name => token(name))
  for (const [key, name] of [
    [A, 'a'],
    [B, 'b'],
  ]) {
    const make = async function* () {
      log.push(`making ${name}`)
      await gates[name].promise
      yield name
      log.push(`closing ${name}`)
    }
    app.provide(key, make, { scope: 'request' })
  }
  app.provide(Both, [A, B], (a, b) => a + b, { scope: 'request' })
  await app.start()
  await app.scope('request', async scope => {
    const both = scope.resolve(Both)
    assert.deepEqual(log, ['making a', 'making b'])
    gates.b.resolve()
    await settled()
    gates.a.resolve()
    assert.equal(await both, 'ab')
  })
  assert.deepEqual(log, ['making a', 'making b', 'closing a', 'closing b'])
  await app.stop()
})

test('what the body throws is thrown into generators, and comes out as it is', async () => {
  const log = []
  const { app } = sessions(log)
  await app.start()
  const error = new Error('no funds')
  const body = async scope => {
    await scope.resolve(Session)
    throw error
  }
  await assert.rejects(app.scope('request', body), thrown => thrown === error)
  assert.deepEqual(log, ['begin', 'rollback: no funds'])
  assert.equal(await app.scope('request', async scope => (await scope.resolve(Session)) instanceof Session), true)
  assert.deepEqual(log.slice(2), ['begin', 'commit'])
  await app.stop()
})

test('a generator cannot swallow what the body throws', async () => {
  const { app } = quietApp()
  const Quiet = token('quiet')
  const quiet = async function* () {
    try {
      yield 1
    } catch {}
  }
  app.provide(Quiet, quiet, { scope: 'request' })
  await app.start()
  const body = async scope => {
    await scope.resolve(Quiet)
    throw new Error('heard')
  }
  await assert.rejects(app.scope('request', body), /heard/)
  await app.stop()
})

test('what teardowns throw is thrown if the body ends well, and those before it are left by it', async () => {
  const { app, lines } = quietApp()
  const seen = []
  const [Outer, Inner] = [token('outer'), token('inner')]
  const outer = function* () {
    try {
      yield 'outer'
    } catch (error) {
      seen.push(error.message)
      throw new Error('outer too')
    }
  }
  app.provide(Outer, outer, { scope: 'request' })
  const inner = function* () {
    yield 'inner'
    throw new Error('inner broke')
  }
  app.provide(Inner, [Outer], inner, { scope: 'request' })
  await app.start()
  await assert.rejects(
    app.scope('request', scope => scope.resolve(Inner)),
    error => error instanceof LifecycleError && error.errors.map(({ message }) => message).join() === 'inner broke,outer too',
  )
  assert.deepEqual(seen, ['inner broke'])
  const body = async scope => {
    await scope.resolve(Inner)
    throw new Error('the body')
  }
  await assert.rejects(app.scope('request', body), /the body/)
  assert.ok(lines.some(line => line.includes('the teardown of `outer`')))
  await app.stop()
})

test('siblings are isolated, and the scope of the caller is restored, after an error too', async () => {
  const log = []
  const { app } = sessions(log)
  await app.start()
  const inOne = async () => {
    const before = await app.resolve(Session)
    await assert.rejects(
      app.scope('request', async () => {
        assert.notEqual(await app.resolve(Session), before)
        throw new Error('inner')
      }),
    )
    await settled()
    assert.equal(await app.resolve(Session), before)
    return before
  }
  const found = await Promise.all([app.scope('request', inOne), app.scope('request', inOne)])
  assert.notEqual(found[0], found[1])
  await assert.rejects(app.resolve(Session), ClosedError)
  await app.stop()
})

test('the caller’s own AsyncLocalStorage is kept in bodies and factories', async () => {
  const storage = new AsyncLocalStorage()
  const { app } = quietApp()
  const Who = token('who')
  const who = async () => {
    await settled()
    return storage.getStore()
  }
  app.provide(Who, who, { scope: 'request' })
  await app.start()
  const ask = name => storage.run(name, () => app.scope('request', async scope => [storage.getStore(), await scope.resolve(Who)]))
  assert.deepEqual(await Promise.all([ask('ann'), ask('bob')]), [
    ['ann', 'ann'],
    ['bob', 'bob'],
  ])
  await app.stop()
})

test('a scope that is returned is open until it is closed', async () => {
  const log = []
  const { app } = sessions(log)
  await app.start()
  const scope = app.scope('request')
  const session = await scope.resolve(Session)
  assert.equal(session.db, await app.resolve(Db))
  assert.equal(scope.get(Session), session)
  await scope[Symbol.asyncDispose]()
  assert.deepEqual(log, ['begin', 'commit'])
  await assert.rejects(scope.resolve(Session), ClosedError)
  assert.throws(() => scope.get(Session), ClosedError)
  await scope.close()
  await app.stop()
})

test('scopes of your own are inside each other', async () => {
  const { app } = quietApp({ scopes: ['app', 'session', 'request'] })
  const log = []
  const [User, Cart, Order] = ['User', 'Cart', 'Order'].map(name => token(name))
  app.context(User, { scope: 'session' })
  const cart = async function* (user) {
    yield { user }
    log.push('cart')
  }
  app.provide(Cart, [User], cart, { scope: 'session' })
  const order = async function* (cart) {
    yield { cart }
    log.push('order')
  }
  app.provide(Order, [Cart], order, { scope: 'request' })
  await app.start()
  await app.scope('session', [[User, 'ann']], async session => {
    const one = await app.scope('request', () => app.resolve(Order))
    const two = await app.scope('request', () => app.resolve(Order))
    assert.notEqual(one, two)
    assert.equal(one.cart, two.cart)
    assert.equal(one.cart, await session.resolve(Cart))
    assert.equal(one.cart.user, 'ann')
    await assert.rejects(app.resolve(Order), ClosedError)
  })
  assert.deepEqual(log, ['order', 'order', 'cart'])
  await assert.rejects(
    app.scope('session', scope => scope.resolve(Cart)),
    NotProvidedError,
  )
  assert.throws(() => app.scope('day'), InvalidError)
  await app.stop()
})

test('a scope may be closed by what runs in it', async () => {
  const log = []
  const { app } = sessions(log)
  await app.start()
  const result = await app.scope('request', async scope => {
    await scope.resolve(Session)
    await scope.close(new Error('not this time'))
    return 'done'
  })
  assert.equal(result, 'done')
  assert.deepEqual(log, ['begin', 'rollback: not this time'])
  await app.stop()
})
