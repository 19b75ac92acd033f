import type { CallOptions, Purpose } from './upstream.ts';

/** What a call is for at this moment. */
export function purposeOf({ purpose = 'miss' }: { readonly purpose?: CallOptions['purpose'] }): Purpose {
  return typeof purpose === 'function' ? purpose() : purpose;
}
