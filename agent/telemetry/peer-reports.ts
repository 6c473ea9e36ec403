// When this device reports its peers: every minute, and soon after a change.
// Pure but for what it sent last.
import type { PeersPayload } from "../../ota/fleet/topics.ts";
import { sessionMs } from "../mesh/plan.ts";

/** Not each new handshake is a change: with thirty members there is one every few seconds. */
const everyMs = 60_000;
/** A path that flaps changes every second. */
const leastMs = 5_000;
const freshS = sessionMs / 1000;
const maxPeers = 128;

export class PeerReports {
  #sent = { shape: "", at: Number.NEGATIVE_INFINITY };

  /** The payload to send now, if there is one. `now` is monotonic, in ms. */
  due(peers: PeersPayload["peers"], now: number): PeersPayload | undefined {
    if (now - this.#sent.at < leastMs) return undefined;
    const shape = JSON.stringify(
      peers.map(({ id, path, handshakeAgeS = Number.POSITIVE_INFINITY }) => [id, path, handshakeAgeS < freshS]),
    );
    if (shape === this.#sent.shape && now - this.#sent.at < everyMs) return undefined;
    this.#sent = { shape, at: now };
    return { v: 1, peers: peers.slice(0, maxPeers) };
  }

  /** A broker that is new to this device knows nothing of it. */
  forget(): void {
    this.#sent = { shape: "", at: Number.NEGATIVE_INFINITY };
  }
}
