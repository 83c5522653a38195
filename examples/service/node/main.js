/**
 * Runs the link shortener: `node main.js`, with settings from the environment.
 *
 * `node main.js explain` prints its graph as a web page instead.
 */

import { AddressError } from 'hostloop'

import { buildApp } from './app.js'
import { Settings, SettingsError } from './settings.js'

try {
  const settings = Settings.fromEnv()
  const app = buildApp(settings)
  if (process.argv[2] === 'explain') console.log(app.explain('html'))
  else await app.run({ host: settings.host, port: settings.port })
} catch (error) {
  if (!(error instanceof SettingsError || error instanceof AddressError || error.code?.startsWith('SQLITE_'))) throw error
  console.error(`links: ${error.message}`)
  process.exitCode = 1
}
