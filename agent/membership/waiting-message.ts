// What a member says to the others of the devices that wait there: a datagram of the cluster's port. An older release takes it for no message
// of its own and passes it over.
// Pure. The protocol between two releases in one neighborhood: fields may be added, never changed.
import { z } from "zod";
import { Id } from "../../provisioning/trust/fields.ts";
import { parseJson } from "../../system/files.ts";
import { DATAGRAM_BYTES } from "../cluster/messages.ts";
import { maxPending } from "./pending.ts";

const Wire = z.object({ t: z.literal("waiting"), d: z.array(Id).max(maxPending) });

/** `devices`: the ids of those that wait because too many have joined with their token; none if that is over. */
export const encodeWaiting = (devices: readonly string[]): string =>
  JSON.stringify({ t: "waiting", d: [...devices] } satisfies z.input<typeof Wire>);

/** Undefined if the bytes are no such message. */
export function decodeWaiting(bytes: Uint8Array): string[] | undefined {
  if (bytes.length > DATAGRAM_BYTES) return undefined;
  return Wire.safeParse(parseJson(Buffer.from(bytes).toString("utf8"))).data?.d;
}
