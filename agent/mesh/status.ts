// Parses what the kernel says about a WireGuard interface (`wg show <interface> dump`), without the secrets in it.
import { canonicalPrefix } from "../../system/address.ts";
import { canonicalEndpoint } from "../../system/endpoint.ts";

export type PeerStatus = {
  wireguardKey: string;
  endpoint?: string;
  /** ms since 1970; absent before the first handshake. */
  latestHandshakeMs?: number;
  rxBytes: number;
  txBytes: number;
};
/** A peer with its configuration. */
export type PeerState = PeerStatus & { allowedIps: string[]; keepaliveSeconds: number };
export type Device = { publicKey?: string; listenPort: number; peers: PeerState[] };

/** wg(8): fields are separated by tabs; the first line is the interface's own and begins with its private key, dropped here. */
export function parseDump(dump: string): Device {
  const [own = "", ...rows] = dump.split("\n").filter((line) => line !== "");
  const [, publicKey = "(none)", listenPort = "0"] = own.split("\t");
  const known = publicKey !== "(none)" && publicKey !== "";
  return { ...(known && { publicKey }), listenPort: Number(listenPort), peers: rows.flatMap(parsePeer) };
}

function parsePeer(row: string): PeerState[] {
  const [key, , endpoint = "", allowed = "", handshake = "0", rx = "0", tx = "0", keepalive = "off"] = row.split("\t");
  if (!key) return [];
  const known = canonicalEndpoint(endpoint);
  return [
    {
      wireguardKey: key,
      ...(known !== undefined && { endpoint: known }),
      ...(Number(handshake) > 0 && { latestHandshakeMs: Number(handshake) * 1000 }),
      rxBytes: Number(rx),
      txBytes: Number(tx),
      allowedIps: allowed === "(none)" ? [] : allowed.split(",").map((range) => canonicalPrefix(range) ?? range),
      keepaliveSeconds: keepalive === "off" ? 0 : Number(keepalive),
    },
  ];
}
