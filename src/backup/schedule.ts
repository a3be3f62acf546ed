/** Units of systemd and lines of cron that make, prove and expire backups. */
import { extname, join } from 'node:path';

const ENVIRONMENT = '/etc/gatehouse/backup.env';
const ACCOUNT = 'gatehouse';

const jobs = [
  {
    verb: 'run',
    what: 'make a backup',
    calendar: '*-*-* 02:15:00',
    cron: '15 2 * * *',
  },
  {
    verb: 'verify',
    what: 'restore the newest backup and compare it',
    calendar: 'Sun *-*-* 04:15:00',
    cron: '15 4 * * 0',
  },
  {
    verb: 'expire --apply',
    what: 'remove backups that are no longer asked for',
    calendar: 'Sun *-*-* 06:15:00',
    cron: '15 6 * * 0',
  },
] as const;

/** This program: the node that runs it, and its own file. */
const program = [process.execPath, join(import.meta.dirname, `../cli${extname(import.meta.filename)}`)];

/** What to put where, as text to read and to copy from. */
export function describeSchedule(): string {
  return [
    `# ${ENVIRONMENT} holds DATABASE_URL and GATEHOUSE_BACKUP_DIRECTORY, _KEY_FILE and _SCRATCH_URL; readable for ${ACCOUNT} alone.`,
    '# Let your monitoring run "gatehouse backup list": exit code 7 means that no recent backup is proven.',
    '',
    '# --- systemd: six files, then: systemctl daemon-reload && systemctl enable --now gatehouse-backup-{run,verify,expire}.timer',
    ...jobs.flatMap(({ verb, what, calendar }) => {
      const unit = `gatehouse-backup-${verb.split(' ')[0]}`;
      return [
        '',
        `# /etc/systemd/system/${unit}.service`,
        ...serviceUnit(verb, what),
        '',
        `# /etc/systemd/system/${unit}.timer`,
        ...timerUnit(what, calendar),
      ];
    }),
    '',
    '# --- or cron: /etc/cron.d/gatehouse-backup',
    ...jobs.map(({ verb, cron }) => {
      const command = [...program.map(shellQuoted), 'backup', verb].join(' ').replaceAll('%', '\\%');
      return `${cron} ${ACCOUNT} set -a; . ${ENVIRONMENT}; exec ${command}`;
    }),
    '',
  ].join('\n');
}

function serviceUnit(verb: string, what: string): string[] {
  return [
    '[Unit]',
    `Description=gatehouse: ${what}`,
    'Wants=network-online.target',
    'After=network-online.target',
    '',
    '[Service]',
    'Type=oneshot',
    `User=${ACCOUNT}`,
    `EnvironmentFile=${ENVIRONMENT}`,
    `ExecStart=${[...program.map(systemdQuoted), 'backup', verb].join(' ')}`,
    'UMask=0077',
    'Nice=10',
    'NoNewPrivileges=yes',
    'PrivateTmp=yes',
  ];
}

function timerUnit(what: string, calendar: string): string[] {
  return [
    '[Unit]',
    `Description=gatehouse: when to ${what}`,
    '',
    '[Timer]',
    `OnCalendar=${calendar} UTC`,
    'RandomizedDelaySec=10min',
    'Persistent=true',
    '',
    '[Install]',
    'WantedBy=timers.target',
  ];
}

function systemdQuoted(word: string): string {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /[\s"'\\;]/.test(word) ? `"${escaped}"` : escaped;
}

function shellQuoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
