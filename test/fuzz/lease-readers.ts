// Reader of what members say about leases, and the core that takes it in: as a voter, as a holder and while the list changes.
import { decodeLeaseMessage, encodeLeaseMessage, type LeaseMessage } from "../../agent/cluster/leases/messages.ts";
import type { Event, View } from "../../agent/cluster/leases/state.ts";
import { begin, step } from "../../agent/cluster/leases/step.ts";
import { HamletError } from "../../system/error.ts";
import { idOf } from "../sim/ink.ts";
import { mutateText } from "./mutate.ts";
import type { Reader } from "./reader.ts";

const [self, cellar, kitchen, porch] = [0, 1, 2, 3].map(idOf) as [string, string, string, string];
const list = { founder: self, number: 3, voters: [self, cellar, kitchen] };
const named = { founder: self, number: 3 };
const claim = "00000000001";
const messages: LeaseMessage[] = [
  {
    ...{ type: "state", list, promised: [4, cellar], isQuestion: true },
    accepted: { ballot: [4, cellar], change: { op: "add", id: porch } },
    grants: [{ slot: 0, holder: kitchen, claim, heldMs: 5_000, leftMs: 60_000 }],
  },
  { type: "ask", list: named, claim, round: 1, slot: 0 },
  { type: "grant", claim, round: 1, away: [porch] },
  { type: "deny", claim, round: 1, why: "held", holder: kitchen, leftMs: 60_000 },
  { type: "free", claim },
  { type: "prepare", list: named, ballot: [5, cellar] },
  { type: "accept", list: named, ballot: [5, cellar], change: { op: "add", id: porch } },
];

/** A voter of three that asks for a lease itself takes it in twice, and goes on for a while. */
function live(message: LeaseMessage): View {
  const states = new Map([cellar, kitchen, porch].map((id) => [id, "alive"] as const));
  const events: Event[] = [
    { kind: "members", ids: [cellar, kitchen, porch] },
    { kind: "liveness", states },
    { kind: "ask", claim, most: 2 },
    { kind: "heard", from: cellar, message },
    { kind: "heard", from: kitchen, message },
  ];
  let view = { ...begin(self, { list, grants: [] }, 1, 0), isReady: true };
  for (const event of events) view = step(view, event, 60_000)[0];
  for (let ticks = 0; ticks < 20; ticks++) view = step(view, { kind: "tick" }, view.dueAt)[0];
  return view;
}

const datagram: Reader = {
  name: "lease-datagram",
  inputs: 4_000,
  samples: async () => messages.map((message) => Buffer.from(encodeLeaseMessage(message))),
  change: mutateText,
  async read(input) {
    const message = decodeLeaseMessage(input);
    if (!message) throw new HamletError("usage.invalid", "this is no message about leases");
    return live(message);
  },
};

export const leaseReaders: Reader[] = [datagram];
