/** `gatehouse keys`: API keys for a SECRET_KEY of one's own. */
import { type CommandIo, exitCodes } from '../command.ts';
import type { Secrets } from '../config.ts';
import { makeApiKeys } from './api-keys.ts';

export const help = `gatehouse keys

  Prints the API keys that go with SECRET_KEY, as variables: ANON_KEY for browsers, SERVICE_ROLE_KEY for servers, which may
  do everything. They are good for ten years, or until SECRET_KEY changes. Without a database of yours "npm start" has made
  both already, in secrets.env.

  Exit codes: 0 done, 1 fault, 2 usage, or no SECRET_KEY.`;

type KeysIo = Pick<CommandIo, 'stdout' | 'stderr' | 'clock'> & { secrets: Pick<Secrets, 'secret_key'> };

/** Runs the command and resolves to its exit code. */
export async function run(args: string[], io: KeysIo): Promise<number> {
  if (args.includes('--help')) {
    io.stdout.write(`${help}\n`);
    return exitCodes.done;
  }
  if (args.length > 0) {
    io.stderr.write('It takes no words. See gatehouse keys --help.\n');
    return exitCodes.usage;
  }
  const { secret_key } = io.secrets;
  if (secret_key === undefined) {
    io.stderr.write(
      'SECRET_KEY is missing: the keys are signed with it. Make one with "openssl rand -base64 48" and keep it.\n',
    );
    return exitCodes.usage;
  }
  const { anon, service_role } = await makeApiKeys(secret_key, io.clock());
  io.stdout.write(`ANON_KEY=${anon}\nSERVICE_ROLE_KEY=${service_role}\n`);
  return exitCodes.done;
}
