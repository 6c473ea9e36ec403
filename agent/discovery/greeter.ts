// Says hello when greeting.ts decides so: timers and sockets, no decisions.
import { type Clock, every, systemClock } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import { limitLog } from "../../system/limited-log.ts";
import type { Log } from "../../system/log.ts";
import { type Contacts, type Event, isIdKey, step } from "./greeting.ts";
import type { Place } from "./hello.ts";
import type { Neighbor } from "./neighbors.ts";

export type Greeter = {
  hint(neighbor: Neighbor): void;
  /** Greets the device with this id again, or all. */
  again(id?: string): void;
  /** Greets the device with this id at once, or all, also those that have not answered yet. */
  welcome(id?: string): void;
  stop(): void;
};
export type GreeterOptions = {
  /** Says hello there and takes in the answer; resolves to the id of the device that gave it, if known. Rejects if none came or it was refused. */
  greet(place: Place, id: string): Promise<string | undefined>;
  log: Log;
  clock?: Clock;
};

const tickMs = 250;

export function startGreeter({ greet, clock = systemClock, ...options }: GreeterOptions): Greeter {
  const log = limitLog(options.log, { clock });
  let contacts: Contacts = new Map();
  let isStopped = false;
  const happen = (event: Event) => {
    if (isStopped) return;
    const [next, effects] = step(contacts, event, clock.monotonic(), Math.random());
    contacts = next;
    for (const { key, address, port, wireguardKey } of effects) {
      greet({ address, port, wireguardKey }, key).then(
        // A forger may claim any number of ids for an address where a member answers.
        (id) =>
          happen({
            kind: isIdKey(key) && id !== undefined && id !== key ? "failed" : "answered",
            key,
            place: { address, port },
          }),
        (error: unknown) => {
          log.debug(`hello to ${address} port ${port}: ${describeError(error)}`);
          happen({ kind: "failed", key, place: { address, port } });
        },
      );
    }
  };
  const ticking = every(
    tickMs,
    () => happen({ kind: "tick" }),
    (error) => log.error(describeError(error)),
  );
  return {
    hint: (neighbor) => happen({ kind: "hint", neighbor }),
    welcome: (key) => happen(key === undefined ? { kind: "welcome" } : { kind: "welcome", key }),
    again: (key) => happen(key === undefined ? { kind: "again" } : { kind: "again", key }),
    stop() {
      isStopped = true;
      ticking.stop();
    },
  };
}
