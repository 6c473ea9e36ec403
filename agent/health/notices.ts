// What root is to make known for the agent, which may reach neither screen nor boot partition: three small files in the runtime
// folder, which root's `hamlet-tell` copies to the consoles, to hamlet/report.txt and into the hostname.
import { isIPv4 } from "node:net";
import { writeNotices } from "../../provisioning/handover/notices.ts";
import { reportBlock } from "../../provisioning/handover/report.ts";
import { isLinkLocal } from "../../system/address.ts";
import { every } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { PublicStatus } from "../api/schema.ts";
import { consoleCard } from "./console-card.ts";
import type { Warning } from "./warnings.ts";

export type Notice = {
  /** The hostname; none while the device is nobody. */
  name?: string | undefined;
  report: Buffer;
  console: string;
};

/** What strangers may know, and nothing else: whoever has the card in hand, or stands before the screen, may be one. */
export type Known = {
  status: PublicStatus;
  warnings: readonly Warning[];
  neighborhood: string | undefined;
  addresses: readonly string[];
  pagePort: number;
};

export function noticeOf(known: Known): Notice {
  const { status, neighborhood, addresses, pagePort } = known;
  // Consequences are left out: there is little room, and mending the origin ends them.
  const warnings = known.warnings.filter(({ follows }) => follows === undefined);
  const { name, board, release } = status;
  const isNobody = status.phase === "unprovisioned";
  // The key of a device that is nobody is another one at each start, and nobody can adopt it.
  const code = isNobody ? undefined : status.code;
  return {
    name: isNobody ? undefined : name,
    report: reportBlock({ name, board, release, neighborhood, code, problems: warnings }),
    console: consoleCard({ ...status, warnings, neighborhood, addresses, pagePort }),
  };
}

/** IPv4 first, since people can type it; addresses that need a scope mean nothing elsewhere. */
export const addressesOf = (links: readonly { addresses: readonly { address: string }[] }[]): string[] =>
  links
    .flatMap((link) => link.addresses.map(({ address }) => address))
    .filter((address) => !isLinkLocal(address))
    .sort((one, other) => Number(isIPv4(other)) - Number(isIPv4(one)));

const tickMs = 2_000;
/** While a device starts, its state changes every second: people want to read what it comes to. */
const stableMs = 3_000;
/** A screen may follow soon; a boot partition is a FAT on a card, and what flaps must not wear it out. */
const pauseMs = { console: 10_000, report: 60_000 };
/** Root's watch is blind while its program runs: all is said twice, the second time long after. */
const againMs = 20_000;

export type Saying = { seen: string; since: number; said: string | undefined; saidAt: number; isRepeated: boolean };
export const silence: Saying = {
  seen: "",
  since: 0,
  said: undefined,
  saidAt: Number.NEGATIVE_INFINITY,
  isRepeated: true,
};

/** Whether `text` is to be said now: new, unchanged for a moment, and not too soon after the last; or once more. */
export function hear(before: Saying, text: string, now: number, pause: number): [Saying, boolean] {
  const heard = text === before.seen ? before : { ...before, seen: text, since: now };
  if (text === heard.said) {
    const isDue = !heard.isRepeated && now - heard.saidAt >= againMs;
    return [isDue ? { ...heard, isRepeated: true } : heard, isDue];
  }
  if (now - heard.since < stableMs || now - heard.saidAt < pause) return [heard, false];
  return [{ ...heard, said: text, saidAt: now, isRepeated: false }, true];
}

export function startNotices(options: { folder: string; read(): Known; monotonic(): number; log: Log }): {
  stop(): void;
} {
  const { folder, read, monotonic, log } = options;
  let [onConsole, inReport] = [silence, silence];
  let last: { known: string; notice: Notice } | undefined;
  /** Made anew only from what is new: a QR code costs a small board milliseconds, and nearly always nothing has changed. */
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
      const [nextConsole, isConsoleDue] = hear(onConsole, `${name} ${console}`, now, pauseMs.console);
      const [nextReport, isReportDue] = hear(inReport, report.toString("latin1"), now, pauseMs.report);
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
