// Identifies the piece of hardware by what its firmware and network cards report, without values that every such board has in common.
// Two devices with one identity on two boards are copies of one card. The key tells them apart and reveals no serial number.
import { createHash } from "node:crypto";
import { z } from "zod";
import { type SigningKey, signingKeyFromSeed } from "../trust/keys.ts";
import { giveJson, readJsonFrom } from "./files.ts";
import type { Owner } from "./folder.ts";

const Fact = z.string().max(256);
export const BoardFacts = z.object({
  serials: z.array(Fact).max(8).describe("of product, board and system on chip"),
  uuid: Fact.optional(),
  macs: z.array(Fact).max(64).describe("permanent addresses of network cards that are not on USB"),
});
export type BoardFacts = z.infer<typeof BoardFacts>;

/** Undefined also for a file that cannot be read: a device works without board facts. */
export const readBoardFacts = (path: string): Promise<BoardFacts | undefined> =>
  readJsonFrom(path, BoardFacts).catch(() => undefined);

/** For root. Writes only what changed, because cards wear out. */
export async function giveBoardFacts(path: string, facts: BoardFacts, agent: Owner): Promise<void> {
  const known = await readBoardFacts(path);
  if (JSON.stringify(known) !== JSON.stringify(facts)) await giveJson(path, facts, agent);
}

/** Values that vendors leave in unused fields; compared in lower case, letters and digits only. */
const placeholders = new Set([
  ...["", "0", "none", "na", "null", "empty", "unknown", "invalid", "default", "defaultstring", "notspecified"],
  ...["notapplicable", "notavailable", "notpresent", "nosn", "oem", "tobefilledbyoem", "systemserialnumber"],
  ...["systemproductname", "serialnumber", "baseboardserialnumber", "chassisserialnumber", "sernum"],
  ...["0123456789", "123456789", "1234567890", "12345678", "xxxxxxx", "invalidserialnumber"],
  // The UUID in the sample firmware of a large vendor.
  "03000200040005000006000700080009",
]);

/** Without placeholders and duplicates, in a fixed order and spelling. */
export function sortFacts(raw: BoardFacts): BoardFacts {
  const serials = tidy(raw.serials);
  const [uuid] = tidy([raw.uuid ?? ""]);
  // The second bit of the first byte marks an address that software chose (IEEE 802: locally administered).
  const macs = tidy(raw.macs).filter((mac) => (Number.parseInt(mac.slice(0, 2), 16) & 2) === 0);
  return { serials, ...(uuid && { uuid }), macs };
}

/**
 * A key that only this board can make, salted with the device's key; undefined for a board that reports nothing unique. Its public half
 * identifies the board in the device's record.
 */
export function boardKeyOf(facts: BoardFacts, deviceKey: string): SigningKey | undefined {
  const { serials, uuid, macs } = sortFacts(facts);
  if (serials.length === 0 && uuid === undefined && macs.length === 0) return undefined;
  const text = JSON.stringify(["hamlet board", deviceKey, serials, uuid ?? null, macs]);
  return signingKeyFromSeed(createHash("sha256").update(text).digest("base64url"));
}

export const boardIdentityOf = (facts: BoardFacts, deviceKey: string): string | undefined =>
  boardKeyOf(facts, deviceKey)?.publicKey;

function tidy(values: readonly string[]): string[] {
  // Strings in a device tree end with a NUL.
  const trimmed = values.map((value) => value.replaceAll("\0", "").trim().toLowerCase());
  return [...new Set(trimmed.filter((value) => !isPlaceholder(value)))].sort();
}

function isPlaceholder(value: string): boolean {
  const letters = value.replaceAll(/[^a-z0-9]/g, "");
  // One repeated character, such as all zeros or all ones.
  return placeholders.has(letters) || new Set(letters).size <= 1;
}
