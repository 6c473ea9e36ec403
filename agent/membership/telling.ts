// Tells the other members who waits here because too many have joined with its token, and hears the same from them: to whoever knows such a
// device as a member the owner's warning is raised there too. The mesh proves who speaks, so each is believed for itself alone.
import { FairBucket } from "../../system/bucket.ts";
import { disputedForMs } from "./disputes.ts";
import type { Membership } from "./membership.ts";
import { decodeWaiting, encodeWaiting } from "./waiting-message.ts";

export type TellingOptions = {
  membership: Pick<Membership, "overMaximum" | "happen">;
  /** Other members. */
  alive(): Iterable<string>;
  send(to: string, text: string): void;
  monotonic(): number;
};
export type Telling = {
  /** Says what has changed, and now and then what has not. Called every ten seconds. */
  look(): void;
  hear(from: string, bytes: Uint8Array): Promise<void>;
};

/** How often to look for news: as long as one member's is on its way at most. */
export const lookMs = 10_000;
/** A datagram may be lost, and a member may come back. */
const againMs = 2 * 60_000;
/** An honest member's list changes a few times in ten minutes, because only who has waited that long makes room. */
const words = { perSecond: 1 / 20, burst: 6 };

export function makeTelling({ membership, alive, send, monotonic }: TellingOptions): Telling {
  const bucket = new FairBucket({ perSource: words, maxSources: 4_096 });
  let said = encodeWaiting([]);
  let [saidAt, namedAt] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  return {
    look() {
      const now = monotonic();
      const devices = membership.overMaximum();
      if (devices.length > 0) namedAt = now;
      const text = encodeWaiting(devices);
      // That nobody waits any more is said for as long as somebody may believe the opposite.
      const isDue = now - saidAt >= againMs && now - namedAt < disputedForMs;
      if (text === said && !isDue) return;
      [said, saidAt] = [text, now];
      for (const id of alive()) send(id, text);
    },
    async hear(from, bytes) {
      const devices = decodeWaiting(bytes);
      if (!devices || !bucket.admits({ key: from, network: "local" }, monotonic())) return;
      await membership.happen({ kind: "disputed", by: from, devices });
    },
  };
}
