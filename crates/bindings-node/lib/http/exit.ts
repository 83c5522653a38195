/** The end of a process that was told to end. */

import { checkSeconds } from '../lifecycle/options'
import { LONGEST } from '../lifecycle/wait'
import type { Logger } from '../logger'

/** Seconds that a process which a signal has stopped may still take. */
export const EXIT_AFTER = 5

/** Refuses what is no time of `exitAfter`. */
export function checkExitAfter(seconds: unknown): void {
  checkSeconds('exitAfter', seconds)
}

/** Ends the process after some seconds if something keeps it alive, and says what. `null` leaves it alone. */
export function exitAfter(seconds: number | null, logger: Logger): void {
  if (seconds === null) return
  const end = () => {
    const active = [...new Set(process.getActiveResourcesInfo())].join(', ')
    logger.warn(`hostloop: everything has stopped, and something keeps the process alive (${active}); it ends now`)
    process.exit()
  }
  setTimeout(end, Math.min(seconds * 1000, LONGEST)).unref()
}
