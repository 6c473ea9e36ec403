// The agent may write neither to the screen nor to the boot partition. It writes three small files to the runtime folder instead,
// and root's `hamlet-tell` copies them to the consoles, to hamlet/report.txt and to the hostname.
import { isIPv4 } from "node:net";
import { writeNotices } from "../../provisioning/handover/notices.ts";
import { reportBlock } from "../../provisioning/handover/report.ts";
import { isLinkLocal } from "../../system/address.ts";
import { every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { PublicStatus, Status } from "../api/schema.ts";
import { originsOf } from "./consequences.ts";
import { consoleCard } from "./console-card.ts";
import type { Warning } from "./warnings.ts";

export type Notice = {
  /** The hostname; absent while the device is unprovisioned. */
  name?: string | undefined;
  report: Buffer;
  console: string;
};

/** Only what strangers may know: anyone may hold the card or stand in front of the screen. */
export type Known = {
  status: PublicStatus;
  warnings: readonly Warning[];
  /** Neighbors that wait for adoption. They show name and code to anyone themselves. */
  waiting: Status["pending"];
  neighborhood: string | undefined;
  addresses: readonly string[];
  pagePort: number;
};

export function noticeOf(known: Known): Notice {
  const { status, waiting, neighborhood, addresses, pagePort } = known;
  // Leave out consequences: there is little room, and fixing their origin ends them.
  const warnings = originsOf(known.warnings);
  const { name, board, release } = status;
  const isUnprovisioned = status.phase === "unprovisioned";
  // An unprovisioned device has a new key at each start, so nobody can adopt it.
  const code = isUnprovisioned ? undefined : status.code;
  return {
    name: isUnprovisioned ? undefined : name,
    report: reportBlock({ name, board, release, neighborhood, code, problems: warnings }),
    console: consoleCard({ ...status, warnings, waiting, neighborhood, addresses, pagePort }),
  };
}

/** IPv4 first, because people can type it. Without link-local addresses, which mean nothing on other devices. */
export const addressesOf = (links: readonly { addresses: readonly { address: string }[] }[]): string[] =>
  links
    .flatMap((link) => link.addresses.map(({ address }) => address))
    .filter((address) => !isLinkLocal(address))
    .sort((one, other) => Number(isIPv4(other)) - Number(isIPv4(one)));

const tickMs = 2_000;
/** A starting device changes its state every second: write only a text that has lasted for this long. */
const stableMs = 3_000;
/** Shortest time between two writes. The report goes to a FAT on a card, which a flapping state must not wear out. */
const pauseMs = { console: 10_000, report: 60_000 };
/** Root's path unit misses a change while its service runs, so each text is written once more after this time. */
const againMs = 20_000;

export type Pace = { seen: string; since: number; written: string | undefined; writtenAt: number; isRepeated: boolean };
export const nothingWritten: Pace = {
  seen: "",
  since: 0,
  written: undefined,
  writtenAt: Number.NEGATIVE_INFINITY,
  isRepeated: true,
};

/** Whether to write `text` now: it is new, has lasted, and the last write is long enough ago; or it is due once more. */
export function pace(before: Pace, text: string, now: number, pause: number): [Pace, boolean] {
  const current = text === before.seen ? before : { ...before, seen: text, since: now };
  if (text === current.written) {
    const isDue = !current.isRepeated && now - current.writtenAt >= againMs;
    return [isDue ? { ...current, isRepeated: true } : current, isDue];
  }
  if (now - current.since < stableMs || now - current.writtenAt < pause) return [current, false];
  return [{ ...current, written: text, writtenAt: now, isRepeated: false }, true];
}

export function startNotices(options: { folder: string; read(): Known; monotonic(): number; log: Log }): {
  stop(): void;
} {
  const { folder, read, monotonic, log } = options;
  let [onConsole, inReport] = [nothingWritten, nothingWritten];
  let last: { known: string; notice: Notice } | undefined;
  /** Makes a notice only after a change: a QR code costs a small board milliseconds. */
  const look = (): Notice => {
    const known = read();
    const text = JSON.stringify(known);
    if (last?.known !== text) last = { known: text, notice: noticeOf(known) };
    return last.notice;
  };
  return every(
    tickMs,
    async () => {
      const { name = "", report, console } = look();
      const now = monotonic();
      const [nextConsole, isConsoleDue] = pace(onConsole, `${name} ${console}`, now, pauseMs.console);
      const [nextReport, isReportDue] = pace(inReport, report.toString("latin1"), now, pauseMs.report);
      if (isConsoleDue || isReportDue) {
        await writeNotices(folder, {
          console,
          report: isReportDue ? report : undefined,
          name: isConsoleDue && name !== "" ? name : undefined,
        });
      }
      [onConsole, inReport] = [nextConsole, nextReport];
    },
    (error) => log.warn(`notices: ${describeError(error)}`),
  );
}
