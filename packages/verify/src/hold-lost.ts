/**
 * A barrier is gone that this verification had placed: it had expired, and the projector went on. Nothing that was seen since is of
 * one place, so everything is begun again.
 */
export class HoldLost extends Error {
  override readonly name = 'HoldLost'
  readonly service: string

  constructor(service: string) {
    super(`the hold of the projector of ${service} was lost`)
    this.service = service
  }
}
