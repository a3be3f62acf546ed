/** `gatehouse backup --schedule`: what it prints is what systemd and cron read, and starts this program. */
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeSchedule } from '../../src/backup/schedule.ts';

const text = describeSchedule();
const [systemd = '', cron = ''] = text.split('# --- or cron: ');

/** Each unit by its file: sections of `[name, value]`. */
const units = new Map(
  [...systemd.matchAll(/^# (\/etc\/systemd\/system\/\S+)\n((?:.+\n|\n(?!#))+)/gm)].map(([, path = '', body = '']) => {
    const sections = new Map<string, Map<string, string>>();
    let section: Map<string, string> | undefined;
    for (const line of body.split('\n').filter((each) => each !== '')) {
      const [, heading] = /^\[(\w+)\]$/.exec(line) ?? [];
      const [, name = '', value = ''] = /^(\w+)=(.+)$/.exec(line) ?? [];
      if (heading) {
        section = new Map();
        sections.set(heading, section);
      } else if (name && section) section.set(name, value);
      else throw new Error(`no line of a unit: ${line}`);
    }
    return [path.split('/').at(-1), sections] as const;
  }),
);

it('has a service and a timer for each of run, verify and expire', () => {
  const names = ['run', 'verify', 'expire'].flatMap((verb) =>
    ['service', 'timer'].map((kind) => `gatehouse-backup-${verb}.${kind}`),
  );
  expect([...units.keys()].sort()).toEqual(names.sort());
});

it.each(['run', 'verify', 'expire --apply'])('%s is started by its service, at its time', (order) => {
  const name = `gatehouse-backup-${order.split(' ')[0]}`;
  const service = units.get(`${name}.service`)?.get('Service');
  const [node = '', file = '', ...words] = service?.get('ExecStart')?.split(' ') ?? [];
  expect([existsSync(node), existsSync(file), words.join(' ')]).toEqual([true, true, `backup ${order}`]);
  expect([service?.get('Type'), service?.get('User')]).toEqual(['oneshot', 'gatehouse']);

  const timer = units.get(`${name}.timer`);
  expect(timer?.get('Timer')?.get('OnCalendar')).toMatch(/^(?:Sun )?\*-\*-\* \d\d:\d\d:00 UTC$/);
  expect(timer?.get('Timer')?.get('Persistent')).toBe('true');
  expect(timer?.get('Install')?.get('WantedBy')).toBe('timers.target');
});

it('has a line of cron for each, with five fields, an account and a command of one line', () => {
  const lines = cron
    .split('\n')
    .slice(1)
    .filter((line) => line !== '');
  const read = lines.map((line) =>
    /^(\d+) (\d+) \* \* ([0-6*]) (\w+) (set -a; \. \S+; exec \S+ \S+) backup (.+)$/.exec(line),
  );
  expect(read.map((match) => match?.[6])).toEqual(['run', 'verify', 'expire --apply']);
});
