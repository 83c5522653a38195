/** Units of work that say what becomes of them. */

const { quietApp } = require('./apps.js')

class Db {}
class Session {
  constructor(db) {
    this.db = db
  }
}

function sessions(log, make = db => new Session(db)) {
  const { app, lines } = quietApp()
  app.provide(Db)
  app.provide(
    Session,
    [Db],
    function* (db) {
      log.push('begin')
      try {
        yield make(db)
        log.push('commit')
      } catch (error) {
        log.push(`rollback: ${error.message}`)
        throw error
      }
    },
    { scope: 'request' },
  )
  return { app, lines }
}

module.exports = { Db, Session, sessions }
