import type { LoginVerdict } from '../access/logins.ts';
import { AccessRefusal } from './access-refusal.ts';

/** What to tell a client whose login was not accepted. @param challenge how it can try again */
export function failedLogin(
  verdict: Exclude<LoginVerdict, { kind: 'accepted' }>,
  name: string,
  challenge: string,
): AccessRefusal {
  if (verdict.kind === 'refused') {
    // Told once, however often they come: whoever can make us write must not make us write without end.
    const refused = verdict.isCompared ? { refused: { who: name, action: 'login' } as const } : {};
    return new AccessRefusal('UNAUTHORIZED', 'the user name or the password is wrong', { challenge, ...refused });
  }
  const { retryAfterMs } = verdict;
  const message = 'too many logins failed or are under way; try again later';
  return new AccessRefusal('TOOMANYREQUESTS', message, { retryAfterMs });
}
