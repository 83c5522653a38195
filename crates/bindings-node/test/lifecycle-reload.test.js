/** Replacing values while the application runs. */

const assert = require('node:assert/strict')
const { mkdtempSync, rmSync, writeFileSync, readFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { test } = require('node:test')

const { ConflictError, lazy, StepError, token } = require('hostloop')
const { deferred, quietApp, settled } = require('./lifecycle/apps.js')

const Config = token('config')
const Pool = token('pool')

/** An application whose pool is made of a configuration, each with a number. */
function numbered() {
  const { app, lines } = quietApp()
  const log = []
  let next = 0
  app.provide(Config, () => ++next)
  app.provide(Pool, [Config], async function* (config) {
    log.push(`open ${config}`)
    yield { config }
    log.push(`close ${config}`)
  })
  app.invoke([Pool], () => {})
  return { app, lines, log }
}

test('a reload makes new values of all that holds the old, and takes those back', async () => {
  const { app, log } = numbered()
  await app.start()
  const before = await app.resolve(Pool)
  await app.reload(Config)
  const after = await app.resolve(Pool)
  assert.equal(before.config, 1)
  assert.equal(after.config, 2)
  await settled()
  assert.deepEqual(log, ['open 1', 'open 2', 'close 1'])
  await app.stop()
  assert.deepEqual(log, ['open 1', 'open 2', 'close 1', 'close 2'])
})

test('handlers are bound to the new values, and requests that are under way keep the old', async () => {
  const { app, log } = numbered()
  const gate = deferred()
  const under = deferred()
  app.get('/slow', [Pool], async (request, pool) => {
    under.resolve()
    await gate.promise
    return `${pool.config}`
  })
  app.get('/', [Pool], (request, pool) => `${pool.config}`)
  const client = await app.test()
  const slow = client.get('/slow')
  await under.promise
  await app.reload(Config)
  assert.equal(await (await client.get('/')).text(), '2')
  assert.deepEqual(log, ['open 1', 'open 2'])
  gate.resolve()
  assert.equal(await (await slow).text(), '1')
  while (log.length < 3) await settled()
  assert.deepEqual(log, ['open 1', 'open 2', 'close 1'])
  await client.close()
})

test('scopes that are open keep the old values too', async () => {
  const { app, log } = numbered()
  const Tx = token('tx')
  app.provide(Tx, [Pool], pool => pool.config, { scope: 'request' })
  await app.start()
  const scope = app.scope('request')
  await app.reload(Config)
  assert.equal(await scope.resolve(Tx), 1)
  assert.equal(await app.scope('request', inner => inner.resolve(Tx)), 2)
  assert.deepEqual(log, ['open 1', 'open 2'])
  await scope.close()
  await settled()
  assert.deepEqual(log, ['open 1', 'open 2', 'close 1'])
  await app.stop()
})

test('a failure leaves the old values in use', async () => {
  const { app } = quietApp()
  let isBroken = false
  app.provide(Config, () => {
    if (isBroken) throw new Error('not a configuration')
    return 'good'
  })
  app.invoke([Config], () => {})
  await app.start()
  isBroken = true
  await assert.rejects(app.reload(Config), error => error instanceof StepError && error.cause.message === 'not a configuration')
  assert.equal(await app.resolve(Config), 'good')
  isBroken = false
  await app.reload(Config)
  await app.stop()
})

test('workers that hold an old value are run again with the new', async () => {
  const { app } = numbered()
  const log = []
  app.worker('reader', [Pool], async (pool, { signal }) => {
    log.push(`reads ${pool.config}`)
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    log.push(`leaves ${pool.config}`)
  })
  await app.start()
  await app.reload(Config)
  while (log.length < 3) await settled()
  assert.deepEqual(log, ['reads 1', 'leaves 1', 'reads 2'])
  await app.stop()
})

test('what is lazy follows reloads', async () => {
  const { app } = numbered()
  const Holder = token('holder')
  app.provide(Holder, [lazy(Pool)], pool => pool)
  await app.start()
  const holder = await app.resolve(Holder)
  assert.equal(holder.now().config, 1)
  await app.reload(Config)
  assert.equal((await holder.get()).config, 2)
  await app.stop()
})

test('what was supplied cannot be reloaded', async () => {
  const { app } = quietApp()
  app.supply(Config, 1)
  await app.start()
  await assert.rejects(app.reload(Config), ConflictError)
  await app.stop()
})

test('values are made anew when their files change', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hostloop-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'settings.json')
  writeFileSync(path, '1')
  const { app } = quietApp()
  const seen = deferred()
  app.provide(Config, () => readFileSync(path, 'utf8'))
  app.invoke([Config], config => config === '2' && seen.resolve())
  await app.start({ reload: [[Config, [path]]] })
  writeFileSync(path, '2')
  await seen.promise
  while ((await app.resolve(Config)) !== '2') await settled()
  await app.stop()
  await assert.rejects(app.start({ reload: [join(folder, 'nowhere')] }), /does not exist/)
})
