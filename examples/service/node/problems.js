/** Values that the service does not accept. */

import { HTTPError } from 'hostloop'

/** The 422 (RFC 9457) that names every fault: where the value came from, its name, what came and what was wanted. */
export function unprocessable(faults) {
  const detail = faults.map(({ name, wanted }) => `${name ?? 'the body'} must be ${wanted}`).join('; ')
  return new HTTPError(422, detail, { title: 'Unprocessable Content', errors: faults })
}
