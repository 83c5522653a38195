/** What the service takes from its environment. */

import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** A variable of the environment has a value that the service cannot use. */
export class SettingsError extends Error {
  constructor(name, got, fix) {
    super(`${name} is ${JSON.stringify(got)}; ${fix}`)
  }
}

/** Where the service listens and where it keeps its links. */
export class Settings {
  host = '127.0.0.1'
  port = 8000
  database = resolve('links.db')
  /** Seconds between two deletions of what has expired. */
  sweep = 3600

  /**
   * Reads HOST, PORT, DATABASE and SWEEP; each has a default.
   *
   * @throws SettingsError for the first value that cannot be used.
   */
  static fromEnv(env = process.env) {
    const settings = new Settings()
    if (env.HOST !== undefined) settings.host = host(env.HOST)
    if (env.PORT !== undefined) settings.port = port(env.PORT)
    if (env.DATABASE !== undefined) settings.database = database(env.DATABASE)
    if (env.SWEEP !== undefined) settings.sweep = sweep(env.SWEEP)
    return settings
  }

  /** The service's address, as a browser takes it. */
  get url() {
    return `http://${this.host.includes(':') ? `[${this.host}]` : this.host}:${this.port}`
  }
}

function host(value) {
  if (value === '' || value !== value.trim()) {
    throw new SettingsError('HOST', value, 'set it to a host name or an address, such as 127.0.0.1')
  }
  return value
}

function port(value) {
  const number = Number(value)
  if (!/^[0-9]{1,5}$/.test(value) || number < 1 || number > 65_535) {
    throw new SettingsError('PORT', value, 'set it to a number from 1 to 65535')
  }
  return number
}

function database(value) {
  const path = resolve(value)
  const found = place => statSync(place, { throwIfNoEntry: false })
  if (found(path)?.isDirectory()) throw new SettingsError('DATABASE', value, 'set it to the path of a file, such as links.db')
  if (!found(dirname(path))?.isDirectory()) throw new SettingsError('DATABASE', value, `create the directory ${dirname(path)} first`)
  return path
}

function sweep(value) {
  const seconds = value.trim() === '' ? NaN : Number(value)
  if (!(seconds > 0 && seconds < 1e9)) {
    throw new SettingsError('SWEEP', value, 'set it to a number of seconds above 0, such as 3600')
  }
  return seconds
}
