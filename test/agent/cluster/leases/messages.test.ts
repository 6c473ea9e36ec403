import { expect, test } from "vitest";
import { mostVoters } from "../../../../agent/cluster/leases/list.ts";
import {
  decodeLeaseMessage,
  encodeLeaseMessage,
  type LeaseMessage,
  mostAway,
} from "../../../../agent/cluster/leases/messages.ts";
import { dayMs, leaseMs, mostSlots } from "../../../../agent/cluster/leases/terms.ts";
import { DATAGRAM_BYTES, decodeMessage } from "../../../../agent/cluster/messages.ts";
import { idOf } from "../../../sim/ink.ts";

const ids = Array.from({ length: mostVoters }, (_, index) => idOf(index)).sort();
const claim = "AbCdEfGhIj_";
const named = { founder: ids[0]!, number: 2 ** 48 };
const most: LeaseMessage[] = [
  {
    type: "state",
    list: { ...named, voters: ids },
    promised: [0xffff_ffff, ids[1]!],
    accepted: { ballot: [0xffff_ffff, ids[1]!], change: { op: "remove", id: ids[2]! } },
    grants: Array.from({ length: mostSlots }, (_, slot) => ({
      ...{ slot, holder: ids[slot]!, claim, heldMs: 2 ** 40, leftMs: leaseMs },
    })),
    isQuestion: true,
  },
  { type: "ask", list: named, claim, round: 0xffff_ffff, slot: mostSlots - 1 },
  { type: "grant", claim, round: 7, away: ids.slice(0, mostAway) },
  { type: "deny", claim, round: 7, why: "held", holder: ids[3]!, leftMs: leaseMs },
  { type: "free", claim },
  { type: "prepare", list: named, ballot: [7, ids[1]!] },
  { type: "accept", list: named, ballot: [7, ids[1]!], change: { op: "add", id: ids[2]! } },
  { type: "deny", claim, round: 7, why: "settling", awaits: ids[3]!, waitsMs: dayMs },
];

test.each(most.map((message) => [message.type, message] as const))(
  "%s comes back as it was sent, and its longest fits into a datagram",
  (_, message) => {
    const bytes = Buffer.from(encodeLeaseMessage(message));
    expect(bytes.length).toBeLessThanOrEqual(DATAGRAM_BYTES);
    expect(decodeLeaseMessage(bytes)).toEqual(message);
  },
);

test("a release without leases takes none of them for a message of its own", () => {
  for (const message of most) expect(decodeMessage(Buffer.from(encodeLeaseMessage(message)))).toBeUndefined();
});

test("a field that a later release adds is passed over", () => {
  const later = JSON.stringify({ ...JSON.parse(encodeLeaseMessage(most[4]!)), z: [1] });
  expect(decodeLeaseMessage(Buffer.from(later))).toEqual(most[4]);
});

const bent = (index: number, over: object) =>
  JSON.stringify({ ...JSON.parse(encodeLeaseMessage(most[index]!)), ...over });
test.each([
  ["no JSON", "{"],
  ["another type", bent(4, { t: "lease-steal" })],
  ["voters in no order", bent(0, { v: [ids[1], ids[0]] })],
  ["a voter twice", bent(0, { v: [ids[0], ids[0]] })],
  ["no voters", bent(0, { v: [] })],
  ["too many voters", bent(0, { v: [...ids, `z${ids[0]!.slice(1)}`] })],
  ["a lease that lasts longer than any", bent(3, { m: leaseMs + 1 })],
  ["a wait that is longer than a day", bent(7, { u: dayMs + 1 })],
  ["a slot that does not exist", bent(1, { s: mostSlots })],
  ["a claim of another length", bent(4, { c: "short" })],
])("%s is no message", (_, text) => {
  expect(decodeLeaseMessage(Buffer.from(text))).toBeUndefined();
});
