/** Errors with the codes that `node:http` gives them. */

import { getSystemErrorMap } from 'node:util'

/** Makes an error with a code. */
export function failure(kind: ErrorConstructor, code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new kind(message), { code })
}

/** The error of a message whose client has left. */
export function aborted(): NodeJS.ErrnoException {
  return failure(Error, 'ECONNRESET', 'aborted')
}

/** Makes the error of a system call, as Node words it. `where` is an address and port, or a path, or neither. */
export function systemError(code: string, syscall: string, where: { address: string | null; port?: number }): NodeJS.ErrnoException {
  const [errno, text] = numberOf(code)
  const { address, port } = where
  const place = address === null ? '' : port === undefined ? ` ${address}` : ` ${address}:${port}`
  return Object.assign(new Error(`${syscall} ${code}: ${text}${place}`), { code, errno, syscall, ...where })
}

function numberOf(code: string): [number | undefined, string] {
  for (const [errno, [name, text]] of getSystemErrorMap()) if (name === code) return [errno, text]
  return [undefined, 'the operating system refused']
}
