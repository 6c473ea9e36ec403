// One line per event on stderr. journald reads a priority prefix (sd-daemon(3)); on a terminal the line has time and level instead.
import { settingOf } from "./environment.ts";
import { printable } from "./printable.ts";

export type Log = {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
};

const priorities = { error: 3, warn: 4, info: 6, debug: 7 } as const;
type Level = keyof typeof priorities;
/** A process has a log for each of its parts, but warns of a wrong HAMLET_LOG once. */
let isLevelTold = false;

/** Lines begin with `part`. Levels below `HAMLET_LOG` (error, warn, info, debug; default info) are dropped. */
export function makeLog(part: string, write: (line: string) => void = (line) => process.stderr.write(line)): Log {
  const wanted = (settingOf(process.env, "HAMLET_LOG") ?? "info").trim().toLowerCase();
  const isKnown = Object.hasOwn(priorities, wanted);
  const limit = priorities[isKnown ? (wanted as Level) : "info"];
  const underJournal = process.env["JOURNAL_STREAM"] !== undefined;
  const at = (level: Level) => (message: string) => {
    if (priorities[level] > limit) return;
    // Text from outside must not forge a second line or control a terminal.
    const line = `${part}: ${printable(message.replaceAll(/[\r\n]+/g, " | "))}\n`;
    write(underJournal ? `<${priorities[level]}>${line}` : `${new Date().toISOString()} ${level} ${line}`);
  };
  const log = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  if (!isKnown && !isLevelTold) log.warn(`HAMLET_LOG is '${wanted}', not error, warn, info or debug: using info`);
  isLevelTold ||= !isKnown;
  return log;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
