// The life of the connection to the broker: which broker to join and when, and what is wrong with it.
// Pure: ticks and what the socket did come in as events; leave, join, log lines and warnings go out as effects.
// Times are monotonic, in ms; `chance` is from 0 up to 1.
import { bracketed } from "../../system/address.ts";
import { backoffMs } from "../../system/retry.ts";
import { loginHint, parseBrokerUrl } from "./broker-url.ts";

/** `label` is for logs and warnings: it has no password. A member's broker has a mesh address, an external one a URL. */
export type BrokerPlace = { target: string; isMember: boolean; label: string };
/** Failed attempts since a connection was last steady. `reason` is the one to tell: it came twice in a row, or was the first. */
type Failures = { count: number; reason: string; lastReason: string; wasRefused: boolean };

type Joined = {
  place: BrokerPlace;
  failures: Failures;
  /** When a steady connection was last there, or else when telemetry started. */
  lostAt: number;
  /** Our name in the last will, which MQTT takes only when a client connects. */
  name: string;
  /** Whether this connection's failure has been given a reason. */
  isBlamed: boolean;
};
export type Connection =
  | { phase: "idle"; lostAt: number }
  | { phase: "waiting"; place: BrokerPlace; failures: Failures; lostAt: number; until: number }
  | ({ phase: "joining" } & Joined)
  | ({ phase: "joined"; since: number } & Joined)
  | { phase: "steady"; place: BrokerPlace; name: string }
  | { phase: "stopped" };

export type Event =
  /** Often enough to find a new broker within a second. `target`: a mesh address, a URL, or nothing while no broker is known. */
  | { kind: "tick"; target: string | undefined; name: string }
  | { kind: "accepted" }
  /** `isRefusal`: the broker answered, and the answer is no (MQTT 3.1.1, 3.2.2.3). */
  | { kind: "failed"; because: string; isRefusal: boolean }
  | { kind: "closed" }
  | { kind: "stop" };
export type Effect =
  | { kind: "leave"; goodbye: boolean }
  | { kind: "join"; target: string; name: string }
  | { kind: "log"; level: "debug" | "info" | "warn"; message: string }
  | { kind: "warn"; message: string; hint: string }
  | { kind: "clearWarning" };

/** A broker that accepts us and soon cuts us off has not been reached: the waits keep growing. */
export const steadyMs = 30_000;
/** A new broker is found and joined within seconds; a minute without one deserves a warning. */
export const silentMs = 60_000;
const maxRetryMs = 30_000;

const noFailures: Failures = { count: 0, reason: "", lastReason: "", wasRefused: false };
export const newConnection = (now: number): Connection => ({ phase: "idle", lostAt: now });

/** `retryMs`: the first wait before another attempt; it doubles up to 30 s, each with jitter. */
export type Moment = { now: number; chance: number; retryMs: number };

export function step(connection: Connection, event: Event, at: Moment): [Connection, Effect[]] {
  if (connection.phase === "stopped") return [connection, []];
  switch (event.kind) {
    case "tick": {
      const [next, effects] = follow(connection, event, at);
      return [next, [...effects, ...report(next, at.now)]];
    }
    case "accepted":
      return accept(connection, at.now);
    case "failed":
      return fail(connection, event.because, event.isRefusal, at.now);
    case "closed":
      return close(connection, at);
    case "stop":
      return [{ phase: "stopped" }, isOpen(connection) ? [{ kind: "leave", goodbye: true }] : []];
  }
}

type Alive = Exclude<Connection, { phase: "stopped" }>;
const isOpen = ({ phase }: Connection): boolean => phase === "joining" || phase === "joined" || phase === "steady";
const lostAtOf = (connection: Alive, now: number): number => (connection.phase === "steady" ? now : connection.lostAt);

function follow(connection: Alive, { target, name }: Event & { kind: "tick" }, at: Moment): [Connection, Effect[]] {
  const { now, chance, retryMs } = at;
  const lostAt = lostAtOf(connection, now);
  if (connection.phase === "idle") {
    if (target === undefined) return [connection, []];
    return joinWhenDue(
      { phase: "waiting", place: placeOf(target), failures: noFailures, lostAt, until: now },
      name,
      now,
    );
  }
  if (connection.place.target !== target) {
    const leaving: Effect[] = isOpen(connection) ? [{ kind: "leave", goodbye: true }] : [];
    if (target === undefined) return [{ phase: "idle", lostAt }, leaving];
    // All members learn of a new broker at once; they need not knock at once.
    const until = now + retryMs * chance;
    return [{ phase: "waiting", place: placeOf(target), failures: noFailures, lostAt, until }, leaving];
  }
  if (connection.phase === "waiting") return joinWhenDue(connection, name, now);
  if (connection.name !== name) {
    const failures = connection.phase === "steady" ? noFailures : connection.failures;
    return [
      { phase: "waiting", place: connection.place, failures, lostAt, until: now },
      [{ kind: "leave", goodbye: false }],
    ];
  }
  if (connection.phase === "joined" && now - connection.since >= steadyMs)
    return [{ phase: "steady", place: connection.place, name }, [{ kind: "clearWarning" }]];
  return [connection, []];
}

function joinWhenDue(waiting: Connection & { phase: "waiting" }, name: string, now: number): [Connection, Effect[]] {
  if (now < waiting.until) return [waiting, []];
  const { place, failures, lostAt } = waiting;
  const joining: Connection = { phase: "joining", place, failures, lostAt, name, isBlamed: false };
  return [joining, [{ kind: "join", target: place.target, name }]];
}

function accept(connection: Alive, now: number): [Connection, Effect[]] {
  if (connection.phase !== "joining") return [connection, []];
  const level = connection.failures.count === 0 ? "info" : "debug";
  const message = `connected to the broker at ${connection.place.label}`;
  return [{ ...connection, phase: "joined", since: now }, [{ kind: "log", level, message }]];
}

/** Only the first reason of a connection counts: what follows are its consequences. */
function fail(connection: Alive, because: string, isRefusal: boolean, now: number): [Connection, Effect[]] {
  if (connection.phase === "idle" || connection.phase === "waiting") return [connection, []];
  // A steady connection in trouble must prove itself again.
  const open: Connection & ({ phase: "joining" } | { phase: "joined" }) =
    connection.phase === "steady"
      ? { ...connection, phase: "joined", since: now, lostAt: now, failures: noFailures, isBlamed: false }
      : connection;
  const { place, failures } = open;
  const wasRefused = failures.wasRefused || isRefusal;
  if (open.isBlamed) return [{ ...open, failures: { ...failures, wasRefused } }, []];
  const isFirst = failures.reason === "";
  const reason = isFirst || because === failures.lastReason ? because : failures.reason;
  // Members come and go; the owner of an external broker has to mend it.
  const level = isFirst && !place.isMember ? "warn" : "debug";
  return [
    { ...open, isBlamed: true, failures: { count: failures.count, reason, lastReason: because, wasRefused } },
    [{ kind: "log", level, message: `broker ${place.label}: ${because}` }],
  ];
}

function close(connection: Alive, { now, chance, retryMs }: Moment): [Connection, Effect[]] {
  const [blamed, effects] = fail(connection, "it ended the connection", false, now);
  if (blamed.phase !== "joining" && blamed.phase !== "joined") return [blamed, effects];
  const { place, lostAt } = blamed;
  const failures = { ...blamed.failures, count: blamed.failures.count + 1 };
  const waitMs = backoffMs({ firstMs: retryMs, longestMs: maxRetryMs }, failures.count - 1, chance);
  return [{ phase: "waiting", place, failures, lostAt, until: now + waitMs }, effects];
}

/** One warning tells what stands in the way: once for a reason, not once for an attempt. */
function report(connection: Connection, now: number): Effect[] {
  if (connection.phase !== "waiting" && connection.phase !== "joining") return [];
  const { place, failures, lostAt } = connection;
  // Only the owner can mend an external broker that refuses us: say so at once.
  const isDue = now - lostAt > silentMs || (!place.isMember && failures.wasRefused);
  if (!isDue) return [];
  const hint = place.isMember
    ? "metrics wait in a queue meanwhile; hamlet net explain tells how that member is reached"
    : `check telemetry.broker, which says where the broker is and who logs in: ${loginHint}`;
  const because = failures.reason && `: ${failures.reason}`;
  return [{ kind: "warn", message: `the broker at ${place.label} does not answer${because}`, hint }];
}

function placeOf(target: string): BrokerPlace {
  if (!target.includes("://")) return { target, isMember: true, label: target };
  const url = parseBrokerUrl(target);
  return { target, isMember: false, label: typeof url === "string" ? "telemetry.broker" : labelOf(url) };
}

/** The URL without its login. */
function labelOf({ isTls, host, port }: { isTls: boolean; host: string; port: number }): string {
  return `${isTls ? "mqtts" : "mqtt"}://${bracketed(host)}:${port}`;
}
