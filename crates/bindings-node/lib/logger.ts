/** Where an application tells what happens. */

/** What takes lines of a log. `console` is one. */
export interface Logger {
  debug(...message: unknown[]): void
  info(...message: unknown[]): void
  warn(...message: unknown[]): void
  error(...message: unknown[]): void
}

const nothing = () => {}

/** Writes warnings and errors to the standard error output. */
export const defaultLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: (...message) => console.warn(...message),
  error: (...message) => console.error(...message),
}
