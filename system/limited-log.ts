// A log for lines that strangers can cause: the first of a kind is written at once, then a count of the rest once a minute.
import { type Clock, systemClock } from "./clock.ts";
import type { Log } from "./log.ts";

export type LimitOptions = {
  clock?: Pick<Clock, "monotonic">;
  /** Runs `task` later without keeping the process alive for it. */
  later?: (task: () => void, ms: number) => unknown;
};
type Level = keyof Log;
type Kind = { since: number; more: number };

const silenceMs = 60_000;
/** Text from strangers must not make every line a kind of its own: beyond this number all lines are one kind. */
const maxKinds = 32;

export function limitLog(log: Log, { clock = systemClock, later = unrefTimeout }: LimitOptions = {}): Log {
  const kinds = new Map<string, Kind>();
  let isLater = false;

  const tell = () => {
    isLater = false;
    for (const [key, kind] of kinds) {
      if (clock.monotonic() - kind.since < silenceMs) continue;
      kinds.delete(key);
      if (kind.more === 0) continue;
      const [level, ...words] = key.split(" ") as [Level, ...string[]];
      log[level](`${kind.more} more of: ${words.join(" ")}`);
    }
    if (kinds.size > 0) tellLater();
  };
  const tellLater = () => {
    if (isLater) return;
    isLater = true;
    later(tell, silenceMs);
  };
  const at = (level: Level) => (message: string) => {
    let key = `${level} ${kindOf(message)}`;
    if (!kinds.has(key) && kinds.size >= maxKinds) key = `${level} other lines`;
    const kind = kinds.get(key);
    if (kind && clock.monotonic() - kind.since < silenceMs) {
      kind.more += 1;
      return;
    }
    if (kind && kind.more > 0) tell();
    kinds.set(key, { since: clock.monotonic(), more: 0 });
    tellLater();
    log[level](message);
  };
  return { debug: at("debug"), info: (message) => log.info(message), warn: at("warn"), error: at("error") };
}

/** Lines that differ only in addresses, numbers and quoted names are of one kind. */
const kindOf = (message: string) =>
  message
    .slice(0, 200)
    .replaceAll(/"[^"]*"|'[^']*'/g, "…")
    .replaceAll(/[^\s]*[0-9:%][^\s]*/g, "…")
    .slice(0, 80);

const unrefTimeout = (task: () => void, ms: number) => setTimeout(task, ms).unref();
