/** The SQLite file. */

import Sqlite from 'libsql'

const BUSY_MILLISECONDS = 5000 // how long a write waits for another process to finish its own

const SCHEMA = `
CREATE TABLE IF NOT EXISTS links (
    code TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    clicks INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    expires_at TEXT
) WITHOUT ROWID
`

/**
 * One SQLite file behind two calls, `read` and `write`.
 *
 * Both block the loop, as is usual with SQLite in Node: a statement takes some microseconds. A durable write waits for the disk besides.
 */
export class Database {
  #sqlite
  #statements = new Map()

  constructor(path) {
    this.#sqlite = new Sqlite(path, { timeout: BUSY_MILLISECONDS })
    this.#sqlite.pragma('journal_mode = WAL')
    this.#sqlite.exec(SCHEMA)
  }

  /** Runs a query and returns all its rows. */
  read(statement, ...values) {
    return this.#prepare(statement).all(...values)
  }

  /**
   * Runs one statement as a transaction and returns how many rows it changed.
   *
   * What is written outlives a crash of the process. With `durable` it is on the disk when the call returns and outlives a loss of power
   * too; without, it costs no wait for the disk.
   */
  write(statement, values, { durable = true } = {}) {
    this.#sqlite.pragma(`synchronous = ${durable ? 'FULL' : 'NORMAL'}`)
    return this.#prepare(statement).run(...values).changes
  }

  /** Closes the file, and folds the write-ahead log into it. */
  close() {
    this.#statements.clear()
    this.#sqlite.close()
  }

  #prepare(statement) {
    let prepared = this.#statements.get(statement)
    if (prepared === undefined) this.#statements.set(statement, (prepared = this.#sqlite.prepare(statement)))
    return prepared
  }
}
