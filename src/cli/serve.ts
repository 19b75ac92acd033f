import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import { type ConfigSource, loadConfig } from '../config/load.ts';
import type { RunningServer } from '../server.ts';
import { CodedError } from '../util/coded-error.ts';
import { EXIT_CODE } from './exit-code.ts';
import { HangupSignal } from './hangup-signal.ts';
import { StopSignals } from './stop-signals.ts';

type StartServer = (config: Config) => Promise<RunningServer>;

/** Serves until a signal comes, then lets running requests end. @returns the exit code */
export async function serve(source: ConfigSource, start: StartServer = startRealServer): Promise<number> {
  try {
    const config = await loadConfig(source);
    // Before the start: a signal that comes during it stops the server as soon as it is up.
    using signals = new StopSignals();
    using hangup = new HangupSignal();
    const server = await start(config);
    hangup.onSignal = () => server.reopenLogs();
    await signals.first;
    await server.close();
    return EXIT_CODE.ok;
  } catch (error) {
    if (error instanceof ConfigError) {
      console.error(error.message);
      return EXIT_CODE.wrongUse;
    }
    if (!(error instanceof CodedError)) throw error;
    console.error(`entrepot: ${error.message.replaceAll(/\s*\n\s*/g, ' ')} (${error.code})`);
    return EXIT_CODE.failed;
  }
}

/** Loaded late: no other command needs the server and its native parts. */
async function startRealServer(config: Config): Promise<RunningServer> {
  const { startServer } = await import('../server.ts');
  return await startServer(config);
}
