// Which metadata expires when.
// Pure.
import type { Current } from "./current.ts";
import type { Document } from "./metadata.ts";
import { periodMs } from "./roles.ts";

export type Expiry = {
  role: string;
  version: number;
  expiresMs: number;
  /** `old`: past half of its period, so it is time to sign again. */
  state: "fresh" | "old" | "expired";
};

/** TUF's own roles first, then the boards. */
export function documentsOf({ root, targets, boards, snapshot, timestamp }: Current): Map<string, Document> {
  return new Map<string, Document>([
    ["root", root],
    ["targets", targets],
    ["snapshot", snapshot],
    ["timestamp", timestamp],
    ...boards,
  ]);
}

export function expiryOf(role: string, { signed }: Document, now: number): Expiry {
  const expiresMs = Date.parse(signed.expires);
  const state = expiresMs <= now ? "expired" : expiresMs - now < periodMs(role) / 2 ? "old" : "fresh";
  return { role, version: signed.version, expiresMs, state };
}
