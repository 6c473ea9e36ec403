// A log for whatever others can make us say: the first line of a kind at once, then how many more there were, once a minute.
import { type Clock, systemClock } from "./clock.ts";
import type { Log } from "./log.ts";

export type LimitOptions = {
  clock?: Pick<Clock, "monotonic">;
  /** Runs `task` some time later and keeps no process alive for it. */
  later?: (task: () => void, ms: number) => unknown;
};
type Level = keyof Log;
type Kind = { since: number; more: number };

const silenceMs = 60_000;
/** What others write into a message must not make a kind of each: beyond these, all are one kind. */
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

/** Two lines are of one kind if they differ in addresses, numbers and names in quotes only. */
const kindOf = (message: string) =>
  message
    .slice(0, 200)
    .replaceAll(/"[^"]*"|'[^']*'/g, "…")
    .replaceAll(/[^\s]*[0-9:%][^\s]*/g, "…")
    .slice(0, 80);

const unrefTimeout = (task: () => void, ms: number) => setTimeout(task, ms).unref();
