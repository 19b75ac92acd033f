import { Cron } from 'croner';
import * as z from 'zod';
import { quote, refuse, wrongType } from './scalars.ts';

const FIELDS = ['minute', 'hour', 'day', 'month', 'weekday'] as const;
const FORM = `five fields of cron (${FIELDS.join(' ')})`;
const EXAMPLE = 'write for example "0 5 * * *"';

/** When something runs: a cron expression of five fields. */
export function schedule() {
  return z.unknown().transform((value, ctx) => {
    if (typeof value !== 'string') return refuse(ctx, wrongType(value, `${FORM}; ${EXAMPLE}`));
    const fault = faultOfSchedule(value);
    return fault === undefined ? value : refuse(ctx, fault);
  });
}

/** What makes a text no cron expression of five fields, or one that never comes. */
export function faultOfSchedule(text: string): string | undefined {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== FIELDS.length) return `is not ${FORM}; ${EXAMPLE}`;
  for (const [index, field] of fields.entries()) {
    const alone = FIELDS.map((_, other) => (other === index ? field : '*')).join(' ');
    if (parse(alone) === undefined)
      return `has the ${FIELDS[index]} ${quote(field)}, which cron does not know; ${EXAMPLE}`;
  }
  const cron = parse(text);
  if (cron === undefined) return `is not ${FORM}; ${EXAMPLE}`;
  return cron.nextRun() === null ? `names a day that never comes; ${EXAMPLE}` : undefined;
}

function parse(text: string): Cron | undefined {
  try {
    return new Cron(text, { mode: '5-part', paused: true });
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return undefined;
    throw error;
  }
}
