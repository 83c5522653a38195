/** Requests and responses are the web's for TypeScript, too. Nothing of this is run. */

import { App, type HostRequest, HostResponse, HTTPError, type Logger, Server, serve, whenEnded } from 'hostloop'

declare function takesRequest(request: Request): void
declare function takesResponse(response: Response): Response

const server = new Server({ logger: console as Logger })
server.route('GET', '/', request => {
  takesRequest(request)
  const { method, url, headers, signal, mode, referrer }: Request = request
  const name: string | undefined = request.params['name']
  whenEnded(request, (cause, failure) => {
    if (cause === 'timed out' && failure instanceof HTTPError) takesRequest(request.real())
  })
  return takesResponse(new HostResponse('x', { status: 201 }))
})
new App().get('/', request => {
  takesRequest(request)
  return takesResponse(HostResponse.json({}))
})

class Mine extends HostResponse {}
takesResponse(new Mine('x'))
takesResponse(HostResponse.redirect('/'))
takesRequest({} as HostRequest)

// What there is not.
// @ts-expect-error
void serve(() => new Response(), { prot: 1 })
// @ts-expect-error
new Server({ accessLog: 'yes' })
// @ts-expect-error
new Server({ logger: {} })
