// Readers of what members send: datagrams and full syncs, and the core that takes them in.
import { decodeMessage, decodeSync, encodeMessage, encodeSync, type Freight } from "../../agent/cluster/messages.ts";
import type { ChargeNews, ClaimNews } from "../../agent/cluster/news.ts";
import { begin, type Event, step } from "../../agent/cluster/swim.ts";
import type { View } from "../../agent/cluster/view.ts";
import { step as take } from "../../agent/membership/step.ts";
import { decodeWaiting, encodeWaiting } from "../../agent/membership/waiting-message.ts";
import { isNextRoot, keyOf, mostBytes, Question } from "../../agent/swarm/question.ts";
import { HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import { attic, heard, member, record } from "../agent/membership/play.ts";
import { idOf, ink } from "../sim/ink.ts";
import { mutateText } from "./mutate.ts";
import type { Reader } from "./reader.ts";

const [self, cellar, kitchen, porch] = [0, 1, 2, 3].map(idOf) as [string, string, string, string];
const claim = (id: string): ClaimNews => {
  const statement = { id, incarnation: 2, state: "alive" } as const;
  return { ...statement, signature: ink.sign(statement) };
};
const charge = (id: string, by: string): ChargeNews => {
  const statement = { id, incarnation: 2, state: "suspect", by } as const;
  return { ...statement, signature: claim(id).signature, proof: ink.sign(statement) };
};
const freight: Freight = {
  news: [claim(cellar), charge(kitchen, cellar), charge(self, porch)],
  documents: [{ kind: "record", id: cellar, number: 3, digest: "d".repeat(22) }],
};

/** A member with three others takes it in, and goes on for a while. */
function live(...events: Event[]): View {
  let view = begin(self, 1, 0, ink);
  for (const event of [{ kind: "members", ids: [cellar, kitchen, porch] } as const, ...events])
    view = step(view, event, 0, ink)[0];
  for (let ticks = 0; ticks < 20; ticks++) view = step(view, { kind: "tick" }, view.dueAt, ink)[0];
  return view;
}

const refused = (what: string) => new HamletError("usage.invalid", `this is no ${what}`);

const datagram: Reader = {
  name: "cluster-datagram",
  inputs: 4_000,
  samples: async () =>
    [
      { type: "ping", sequence: 7, ...freight } as const,
      { type: "ask", sequence: 8, target: kitchen, ...freight } as const,
      { type: "gossip", ...freight } as const,
    ].map((message) => Buffer.from(encodeMessage(message))),
  change: mutateText,
  async read(input) {
    const message = decodeMessage(input);
    if (!message) throw refused("datagram");
    return live({ kind: "heard", from: cellar, message });
  },
};

const sync: Reader = {
  name: "cluster-sync",
  inputs: 4_000,
  samples: async () => [Buffer.from(encodeSync(freight))],
  change: mutateText,
  async read(input) {
    const slices = decodeSync(input);
    if (!slices) throw refused("full sync");
    return live(...[...slices].map((slice): Event => ({ kind: "synced", from: cellar, freight: slice })));
  },
};

const joined = [cellar, kitchen, porch].reduce(
  (state, id) => take(state, heard(member(record("porch", { id }))), { wallMs: 5_000, monotonicMs: 0 })[0],
  attic,
);

/** A member that knows three others hears from one of them who waits there. */
const waiting: Reader = {
  name: "waiting-datagram",
  inputs: 4_000,
  samples: async () => [[], [kitchen], [kitchen, porch, self]].map((ids) => Buffer.from(encodeWaiting(ids))),
  change: mutateText,
  async read(input) {
    const devices = decodeWaiting(input);
    if (!devices) throw refused("word of those that wait");
    const [state, effects] = take(joined, { kind: "disputed", by: cellar, devices }, { wallMs: 5_000, monotonicMs: 0 });
    if (effects.length > 2 || state.members !== joined.members) throw new Error(`it does ${effects.length} things`);
    return state;
  },
};

/** What a member asks another for, down to the name under which the lender looks for it. */
const question: Reader = {
  name: "swarm-question",
  inputs: 4_000,
  samples: async () => {
    const sha256 = "d".repeat(64);
    const frame = { pack: { sha256, sizeBytes: 9_000 }, frame: { offset: 10, length: 90 }, sha256, sizeBytes: 500 };
    return [
      { how: "kept", wanted: { kind: "object", sha256, sizeBytes: 5_000 } },
      { how: "fetched", wanted: { kind: "file", path: `targets/nuc/${sha256}.newest.json`, maxBytes: 900 } },
      { how: "fetched", wanted: { kind: "packed", ...frame, insteadBytes: 5_000 } },
    ].map((one) => Buffer.from(JSON.stringify(one)));
  },
  change: mutateText,
  async read(input) {
    const asked = Question.safeParse(parseJson(input.toString("utf8")));
    if (!asked.success) throw refused("question");
    const { wanted } = asked.data;
    const [key, most] = [keyOf(wanted), mostBytes(wanted)];
    // A name that leaves the shelf's folder, or an answer without end, would be a fault.
    if (!/^[fop]-[0-9a-f-]+$/.test(key) || !(most > 0 && most < 8 << 20)) throw new Error(`${key} of ${most} bytes`);
    return isNextRoot(wanted);
  },
};

export const clusterReaders: Reader[] = [datagram, sync, waiting, question];
