/** A name resolved to addresses that a redirect or a token realm must not lead to. Stays inside upstream/. */
export class ForbiddenAddressError extends Error {
  constructor(hostname: string) {
    super(`${hostname} has a private address; allowHosts of this upstream can permit it`);
    this.name = 'ForbiddenAddressError';
  }
}
