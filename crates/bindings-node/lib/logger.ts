/** Where an application tells what happens. */

import { inspect } from 'node:util'

import { InvalidError } from './errors'

/** What takes lines of a log. `console` is one. */
export interface Logger {
  debug(...message: unknown[]): void
  info(...message: unknown[]): void
  warn(...message: unknown[]): void
  error(...message: unknown[]): void
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

type Level = (typeof LEVELS)[number]

const nothing = () => {}

/** Writes warnings and errors to the standard error output. The server by itself writes the lines of its access log, which were asked for. */
export const defaultLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: text => console.warn(text),
  error: text => console.error(text),
}

/**
 * Makes a logger that can be called without care: one that throws stops nothing, and an error that is the second argument is in the text as
 * well, since many loggers write the first alone.
 *
 * @throws InvalidError for what is no logger.
 */
export function guarded(logger: Logger): Logger {
  if (logger instanceof Guarded) return logger
  checkLogger(logger)
  return new Guarded(logger)
}

class Guarded implements Logger {
  constructor(private readonly logger: Logger) {}

  debug(...message: unknown[]): void {
    this.#tell('debug', message)
  }

  info(...message: unknown[]): void {
    this.#tell('info', message)
  }

  warn(...message: unknown[]): void {
    this.#tell('warn', message)
  }

  error(...message: unknown[]): void {
    this.#tell('error', message)
  }

  #tell(level: Level, [text, ...thrown]: unknown[]): void {
    const told = thrown.length === 0 ? text : `${String(text)}: ${shown(thrown[0])}`
    try {
      // The console writes out every argument, so that it would tell of the error twice.
      if (this.logger[level] === console[level]) this.logger[level](told)
      else this.logger[level](told, ...thrown)
    } catch (error) {
      console.error(`${String(told)}\nhostloop: the logger threw, which is why this stands here: ${shown(error)}`)
    }
  }
}

/** What was thrown, with its stack and its causes. */
function shown(thrown: unknown): string {
  try {
    return typeof thrown === 'string' ? thrown : inspect(thrown)
  } catch {
    return 'an error that cannot be shown'
  }
}

function checkLogger(logger: unknown): void {
  const found = logger as Partial<Record<Level, unknown>> | null | undefined
  const missing = LEVELS.filter(level => typeof found?.[level] !== 'function')
  if (missing.length === 0) return
  throw new InvalidError(`logger has no ${missing.join(', ')}; give an object with debug, info, warn and error, such as console`)
}
