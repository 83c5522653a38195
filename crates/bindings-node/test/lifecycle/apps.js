/** Applications for tests: their log is kept, and their clock may stand still. */

const { App } = require('hostloop')
const { ManualClock } = require('../../dist/lifecycle/native.js')
const { settled } = require('./clock.js')

/** Makes an application whose warnings and errors are kept in `lines`. */
function quietApp(options = {}) {
  const lines = []
  // Many loggers write the first argument alone.
  const keep = text => void lines.push(text)
  const app = new App({ logger: { debug() {}, info() {}, warn: keep, error: keep }, ...options })
  return { app, lines }
}

/** Has an application's time stand still but for what the returned function moves it by. */
function withClock(app) {
  const clock = new ManualClock()
  app.clock = clock
  let now = 0
  return async seconds => {
    now += seconds
    clock.moveTo(now)
    app.container?.pump()
    await settled()
  }
}

/** A promise, and what settles it. */
function deferred() {
  let resolve, reject
  const promise = new Promise((...both) => ([resolve, reject] = both))
  return { promise, resolve, reject }
}

module.exports = { deferred, quietApp, settled, withClock }
