/** What OpenSSL and Node call a certificate that is not trusted. */
const UNTRUSTED = /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA$|ERR_TLS_CERT_)/;

/** What kept a TLS connection from coming about, to be read behind the name of the other side; undefined for all else. */
export function tlsFaultOf({ code = '', message }: NodeJS.ErrnoException): string | undefined {
  // OpenSSL's names stand in the code or in the message, depending on when the connection broke.
  const told = `${code} ${message}`;
  if (/wrong[ _]version[ _]number/i.test(told)) return 'does not speak HTTPS: write http:// (--admin URL)';
  if (/alert[ _](handshake|bad[ _]certificate|certificate|unknown[ _]ca)/i.test(told)) {
    return 'demands a certificate of its clients: give it with --client-cert FILE, which holds its key too';
  }
  if (!UNTRUSTED.test(code)) return undefined;
  // Node adds advice about its own options.
  const [reason = ''] = message.split(';');
  const remedy =
    code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? '' : ' (NODE_EXTRA_CA_CERTS=FILE names an authority to trust)';
  return `has a certificate that is not trusted: ${reason}${remedy}`;
}
