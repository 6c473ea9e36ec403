// One line an event on stderr, with the priority prefix that journald reads (sd-daemon(3)); people reading a terminal see none.

export type Log = {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
};

const priorities = { error: 3, warn: 4, info: 6, debug: 7 } as const;
type Level = keyof typeof priorities;

/** Lines carry `part` as their first word. Levels beyond `HAMLET_LOG` (error, warn, info, debug; default info) are dropped. */
export function makeLog(part: string, write: (line: string) => void = (line) => process.stderr.write(line)): Log {
  const wanted = process.env["HAMLET_LOG"] ?? "info";
  const limit = wanted in priorities ? priorities[wanted as Level] : priorities.info;
  const underJournal = process.env["JOURNAL_STREAM"] !== undefined;
  const at = (level: Level) => (message: string) => {
    if (priorities[level] > limit) return;
    // A line feed in a message from outside must not forge a second line.
    const line = `${part}: ${message.replaceAll(/[\r\n]+/g, " | ")}\n`;
    write(underJournal ? `<${priorities[level]}>${line}` : `${new Date().toISOString()} ${level} ${line}`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
