import { describe, expect, test } from 'vitest';
import { faultOfSchedule } from '../../src/config/schedule.ts';

describe('a schedule', () => {
  test.each([
    '0 5 * * *',
    '*/15 8-18 * * MON-FRI',
    '0 0,12 1 */2 *',
    '0 5 * * 7',
    '0 5 29 2 *',
    '30 4 L * *',
    '  0   5 * * * ',
  ])('may be %j', (text) => {
    expect(faultOfSchedule(text)).toBeUndefined();
  });

  test.each([
    ['', 'is not five fields of cron (minute hour day month weekday)'],
    ['5:00', 'is not five fields of cron'],
    ['@daily', 'is not five fields of cron'],
    ['0 5 * *', 'is not five fields of cron'],
    ['0 0 5 * * *', 'is not five fields of cron'],
    ['2027-01-01T00:00:00', 'is not five fields of cron'],
    ['60 * * * *', 'has the minute "60", which cron does not know'],
    ['0 24 * * *', 'has the hour "24", which'],
    ['0 5 0 * *', 'has the day "0", which'],
    ['0 5 * 13 *', 'has the month "13", which'],
    ['0 5 * * someday', 'has the weekday "someday", which'],
    ['*/0 5 * * *', 'has the minute "*/0", which'],
    ['0 18-8 * * *', 'has the hour "18-8", which'],
    ['0 5 31 2 *', 'names a day that never comes'],
  ])('is not %j: it %s', (text, fault) => {
    expect(faultOfSchedule(text)).toContain(fault);
    expect(faultOfSchedule(text)).toContain('write for example "0 5 * * *"');
  });
});
