// A service that says what happens to it, for tests of signals. Its first argument says how it behaves.

import { App, token } from 'hostloop'

const [how = ''] = process.argv.slice(2)
const say = line => console.log(line)
const app = new App({ lifetimes: { stopStepTimeout: 60, stopTimeout: 60, cutShort: how === 'stubborn' ? 60 : 0.05, grace: 0.05 } })
const Db = token('db')

app.provide(Db, async function* () {
  yield 'db'
  say('closed')
})
app.get('/', [Db], async (request, db) => {
  await new Promise(resolve => setTimeout(resolve, 20))
  return db
})
app.worker('sweeper', [Db], async (db, { signal }) => {
  await new Promise(resolve => signal.addEventListener('abort', resolve))
  say('swept')
})
if (how === 'stuck' || how === 'stubborn') app.hook({ name: 'stuck', onStop: () => (say('stopping'), new Promise(() => {})) })
if (how === 'slow start')
  app.hook({ onStart: () => (say('starting'), new Promise(resolve => setTimeout(resolve, 50))), onStop: () => say('down') })
if (how === 'stops') app.hook({ onStart: () => void setImmediate(() => app.stop(3)) })
if (how === 'fails') app.invoke(() => Promise.reject(new Error('no power')))
if (how === 'stray fails') app.hook({ onStop: () => Promise.reject(new Error('no end')) })
if (how.startsWith('stray')) setInterval(() => {}, 1000)

const up = setInterval(() => {
  if (!app.isReady) return
  clearInterval(up)
  say(`up ${app.addresses[0] ?? ''}`)
}, 1)
try {
  await app.run({ port: 0, exitAfter: how.startsWith('stray') ? 0.05 : 5 })
} catch (error) {
  if (how !== 'stray fails') throw error
  say(`the stop failed: ${error.cause.message}`)
  process.exitCode = 1
} finally {
  clearInterval(up)
}
say(`ended with ${process.listenerCount('SIGTERM') + process.listenerCount('SIGINT')} handlers`)
