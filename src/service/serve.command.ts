/** `gatehouse serve`: the service itself, where the package is installed. In a checkout it is `npm start`. */
import { CommandFailure } from '../command.ts';

export const help = `gatehouse serve

  Starts the service, which stays until Ctrl-C or SIGTERM. Its settings are environment variables, which "gatehouse settings
  explain" shows; DATABASE_URL (or POSTGRES_HOST and its like) and SECRET_KEY are needed. In a checkout: npm start.

Exit codes
  0 ended because it was asked to, 1 fault, 2 settings, 4 no database that can be used, 5 no address to listen on.
`;

/** Ends with the process: main.ts decides when, and with which exit code. */
export async function run(args: string[], io: { stdout: { write(text: string): unknown } }): Promise<number> {
  if (args.includes('--help')) {
    io.stdout.write(help);
    return 0;
  }
  if (args.length > 0) {
    throw new CommandFailure(
      'usage',
      'gatehouse serve takes no options: its settings are environment variables. See gatehouse serve --help.',
    );
  }
  await import('../main.ts');
  return 0;
}
