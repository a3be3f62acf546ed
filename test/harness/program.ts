/** The service and the commands as programs of their own, as an operator runs them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';

const root = join(import.meta.dirname, '../..');

export interface Program {
  pid: number;
  /** Everything that it wrote so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves with the first match in its standard output; rejects when it ends without. The test's time is the limit. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** The lines of its log so far. */
  log(): Record<string, unknown>[];
  /** Closes our end of its standard output. */
  stopReading(): void;
  /** Keeps our end of its standard output, and takes nothing out of it. */
  pauseReading(): void;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it has ended and all it wrote is here. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resolves to its exit code when the process is gone, whatever of its output is still on the way. */
  exited: Promise<number | null>;
}

const running = new Set<ChildProcess>();

/** Ends what a test has left running; for `afterEach`. */
export async function endPrograms(): Promise<void> {
  for (const child of running) {
    const end = once(child, 'exit');
    child.kill('SIGTERM');
    await end;
  }
}

/** `npm start` with only these variables. */
export function startService(env: Record<string, string>): Program {
  return start('src/main.ts', [], env);
}

/** `npm run gatehouse -- …` with only these variables. */
export function startCommand(args: string[], env: Record<string, string> = {}): Program {
  return start('src/cli.ts', args, env);
}

/** Runs a command to its end. */
export async function runCommand(args: string[], env: Record<string, string> = {}) {
  const command = startCommand(args, env);
  const { code } = await command.ended;
  return { code, stdout: command.stdout(), stderr: command.stderr() };
}

/** A program of an installed package, by its path. */
export function startInstalled(file: string, args: string[], env: Record<string, string>, cwd: string): Program {
  return start(file, args, env, cwd);
}

function start(file: string, args: string[], env: Record<string, string>, cwd = root): Program {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [resolve(root, file), ...args], {
    cwd,
    // What one start has compiled the next one need not: each is a second of a core less.
    env: { PATH, NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/gatehouse-tests'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const exited = once(child, 'exit').then(([code]) => {
    running.delete(child);
    return code;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  if (child.pid === undefined) throw new Error(`${file} does not start`);

  return {
    pid: child.pid,
    stdout: () => stdout,
    stderr: () => stderr,
    log: () =>
      stdout
        .split('\n')
        .filter((line) => line.startsWith('{"level"'))
        .map((line) => JSON.parse(line)),
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(stdout);
          if (!match) return;
          child.stdout.off('data', look);
          resolve(match);
        };
        child.stdout.on('data', look);
        look();
        void ended.then(({ code }) => reject(new Error(`${file} ended with ${code}, saying ${stdout}${stderr}`)));
      }),
    stopReading: () => child.stdout.destroy(),
    pauseReading: () => child.stdout.pause(),
    kill: (signal) => child.kill(signal),
    ended,
    exited,
  };
}

/** A port that nobody listens on, for a program that takes one soon. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('there is no free port');
  return address.port;
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
