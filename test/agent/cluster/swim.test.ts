// What members believe about one another, and when.
import { expect, test } from "vitest";
import type { Message } from "../../../agent/cluster/messages.ts";
import type { News, Proofs } from "../../../agent/cluster/news.ts";
import { begin, type Event, step } from "../../../agent/cluster/swim.ts";
import { idOf, ink } from "../../sim/ink.ts";
import { after, among, attic, cellar, gossip, kitchen, news, pass, porch, sent, shed } from "./folks.ts";

test("pings a member never heard at once and with growing pauses, and takes it for dead after ten seconds", () => {
  const [start, effects] = after(begin(attic, 1, 0, ink), 0, { kind: "members", ids: [cellar] }, { kind: "tick" });
  expect(sent(effects)).toMatchObject([
    { to: cellar, message: { type: "ping", news: [{ id: attic, state: "alive" }] } },
  ]);
  const [tenSeconds, knocks] = pass(start, 9_999);
  expect(sent(knocks).length).toBeGreaterThan(3);
  expect(tenSeconds.members.get(cellar)?.state).toBe("suspect");
  expect(pass(tenSeconds, 10_000)[0].members.get(cellar)?.state).toBe("dead");
});

test("a silent member is pinged again and probed through others, then suspect, then dead when its time is up", () => {
  const start = among([cellar, kitchen]);
  const [accused, effects] = pass(start, 1_000);
  const target = accused.members.get(cellar)?.state === "suspect" ? cellar : kitchen;
  const helper = target === cellar ? kitchen : cellar;
  expect(sent(effects)).toContainEqual(
    expect.objectContaining({ to: helper, message: expect.objectContaining({ type: "ask", target }) }),
  );
  expect(pass(accused, 4_999)[0].members.get(target)?.state).toBe("suspect");
  expect(pass(accused, 5_000)[0].members.get(target)?.state).toBe("dead");
});

test("an accusation is a reason to look, not a proof: the accused stays alive until our own probe has failed", () => {
  const start = among([cellar, kitchen, porch, shed]);
  const [accused] = after(start, 0, gossip(kitchen, news(cellar, "dead", 1, kitchen)));
  expect(accused.members.get(cellar)).toMatchObject({
    state: "alive",
    accusers: new Map([[kitchen, expect.anything()]]),
  });
  const [looking, effects] = pass(accused, 1_000);
  expect(sent(effects)).toContainEqual(expect.objectContaining({ to: cellar }));
  const ping = sent(effects).find(({ to, message }) => to === cellar && message.type === "ping")!.message;
  // Lifeguard's buddy system: the accused is told.
  expect(ping.news).toContainEqual(news(cellar, "dead", 1, kitchen));
  const ack: Message = { type: "ack", sequence: "sequence" in ping ? ping.sequence : 0, news: [], documents: [] };
  const [acquitted] = after(looking, 1_001, { kind: "heard", from: cellar, message: ack });
  expect(acquitted.members.get(cellar)?.state).toBe("alive");
  expect(pass(accused, 4_000)[0].members.get(cellar)?.state).toBe("suspect");
});

test("an accuser makes us look once for each incarnation, and six times in a row at most", () => {
  let view = among([cellar, kitchen, porch, shed]);
  for (let incarnation = 1; incarnation <= 20; incarnation++) {
    const accusation = gossip(kitchen, news(cellar, "dead", incarnation, kitchen));
    view = after(view, 0, gossip(cellar, news(cellar, "alive", incarnation)), accusation, accusation)[0];
    const cellarSeen = view.members.get(cellar)!;
    expect("lookAt" in cellarSeen && cellarSeen.lookAt !== undefined).toBe(incarnation <= 5); // its own claim was the sixth
  }
});

test("with our own evidence a single accuser means six times as long as three", () => {
  const deadlineOf = (...accusers: string[]) => {
    const [suspecting] = pass(among([cellar]), 1_000);
    const [view] = after(suspecting, 1_000, { kind: "members", ids: [cellar, kitchen, porch, shed] });
    const met = [kitchen, porch, shed].map((id) => gossip(id, news(id, "alive", 1)));
    const told = accusers.map((by) => gossip(by, news(cellar, "suspect", 1, by)));
    const member = after(view, 1_000, ...met, ...told)[0].members.get(cellar);
    return member?.state === "suspect" ? member.deadline - member.since : undefined;
  };
  expect(deadlineOf(kitchen, porch)).toBe(4_000);
  expect(deadlineOf(kitchen)).toBeGreaterThan(8_000);
  expect(deadlineOf(kitchen, kitchen, kitchen)).toBe(deadlineOf(kitchen));
});

test("the word of a majority is enough, the word of one member never is", () => {
  const start = among([cellar, kitchen, porch]);
  const death = (by: string) => gossip(kitchen, news(cellar, "dead", 1, by));
  expect(after(start, 0, death(kitchen), death(kitchen))[0].members.get(cellar)?.state).toBe("alive");
  expect(after(start, 0, death(kitchen), death(porch))[0].members.get(cellar)?.state).toBe("alive");
  const larger = among([cellar, kitchen, porch, shed]);
  const three = [kitchen, porch, shed].map(death);
  expect(after(larger, 0, ...three)[0].members.get(cellar)?.state).toBe("dead");
});

test("a helper that says a silent member answers is believed three times; then the member itself must refute", () => {
  let view = among([cellar, kitchen]);
  const states = new Set<string>();
  while (view.dueAt < 60_000 && view.members.get(cellar)?.state !== "suspect") {
    const now = view.dueAt;
    const [next, effects] = step(view, { kind: "tick" }, now, ink);
    view = next;
    for (const { to, message } of sent(effects)) {
      if (to !== kitchen || message.type === "gossip" || message.type === "nack" || message.type === "ack") continue;
      const { sequence } = message;
      view = after(view, now, {
        kind: "heard",
        from: kitchen,
        message: { type: "ack", sequence, news: [], documents: [] },
      })[0];
    }
    states.add(view.members.get(cellar)!.state);
  }
  expect(view.members.get(cellar)?.state).toBe("suspect");
  expect(view.members.get(cellar)?.hearsay).toBe(3);
  expect(states).toEqual(new Set(["alive", "suspect"]));
});

test("a suspected member refutes with a higher incarnation, to its accuser at once and in its answer to a ping", () => {
  const start = among([cellar, kitchen]);
  const [refuted, effects] = after(start, 10, gossip(cellar, news(attic, "suspect", 1, kitchen)));
  expect(refuted.self).toMatchObject({ incarnation: 2, state: "alive" });
  expect(sent(effects)).toMatchObject([{ to: cellar, message: { type: "gossip" } }]);
  expect(sent(effects)[0]?.message.news[0]).toMatchObject({ id: attic, incarnation: 2, state: "alive" });
  const ping: Message = { type: "ping", sequence: 9, news: [news(attic, "dead", 5, kitchen)], documents: [] };
  const [, answers] = after(start, 10, { kind: "heard", from: cellar, message: ping });
  expect(sent(answers)[0]?.message).toMatchObject({ type: "ack", sequence: 9 });
  expect(sent(answers)[0]?.message.news[0]).toMatchObject({ id: attic, incarnation: 6 });
});

test("a member that forgot its incarnation outranks its own death and its former life", () => {
  const start = among([cellar]);
  expect(after(start, 10, gossip(cellar, news(attic, "dead", 7)))[0].self.incarnation).toBe(8);
  expect(after(start, 10, gossip(cellar, news(attic, "alive", 7)))[0].self.incarnation).toBe(8);
  expect(after(start, 10, gossip(cellar, news(attic, "left", 7)))[0].self).toMatchObject({
    incarnation: 8,
    state: "alive",
  });
});

test("a member that claims less than is known of it is told what is known", () => {
  const [start] = after(among([cellar, kitchen]), 0, gossip(kitchen, news(cellar, "dead", 4, kitchen)));
  const [, effects] = after(start, 10, gossip(cellar, news(cellar, "alive", 1)));
  const [own, about] = sent(effects)[0]?.message.news ?? [];
  expect(own).toMatchObject({ id: attic, state: "alive" });
  expect(about).toMatchObject({ id: cellar, state: "dead", incarnation: 4, by: kitchen });
});

test("refuses what its subject never signed: alive, left, and the incarnation of an accusation", () => {
  const start = among([cellar, kitchen]);
  const signature = "A".repeat(86);
  for (const state of ["alive", "left", "suspect", "dead"] as const) {
    const [view, effects] = after(start, 10, gossip(kitchen, { ...news(cellar, state, 9), signature }));
    expect(view.members.get(cellar)).toMatchObject({ state: "alive", incarnation: 1 });
    expect(effects).toEqual([{ kind: "forged", id: cellar, from: kitchen }]);
  }
  const [view] = after(start, 10, gossip(kitchen, { ...news(attic, "suspect", 9), signature }));
  expect(view.self.incarnation).toBe(1);
});

test("`left` needs its own signature: an `alive` signature does not make a member leave", () => {
  const { signature } = news(cellar, "alive", 1);
  const [view, effects] = after(
    among([cellar, kitchen]),
    10,
    gossip(kitchen, { ...news(cellar, "left", 1), signature }),
  );
  expect(view.members.get(cellar)?.state).toBe("alive");
  expect(effects).toContainEqual({ kind: "forged", id: cellar, from: kitchen });
});

test("an accusation without its accuser's signature is no vote, and nothing after it is heard", () => {
  const forged = { ...news(cellar, "suspect", 1, porch), proof: "B".repeat(86) };
  const start = among([cellar, kitchen, porch]);
  const [view, effects] = after(start, 10, gossip(kitchen, forged, news(porch, "alive", 2)));
  expect(view.members.get(cellar)?.accusers.size).toBe(0);
  expect(view.members.get(porch)?.incarnation).toBe(1);
  expect(effects).toEqual([{ kind: "forged", id: cellar, from: kitchen }]);
  const [own] = after(
    start,
    10,
    gossip(kitchen, { ...news(attic, "suspect", 1, porch), proof: "B".repeat(86) } as News),
  );
  expect(own.self.incarnation).toBe(1);
});

test("ignores news of strangers, and whatever strangers say", () => {
  const start = among([cellar]);
  const [view, effects] = after(
    start,
    0,
    gossip(cellar, news(shed, "alive", 1)),
    gossip(shed, news(cellar, "dead", 1)),
  );
  expect(view.members).toEqual(start.members);
  expect(effects).toEqual([]);
});

test("a leaving member says so, signed, is no longer probed, and does not refute", () => {
  const [left, effects] = after(among([cellar, kitchen]), 10, { kind: "leave" });
  const told = sent(effects).flatMap(({ message }) => message.news);
  expect(told).toContainEqual(news(attic, "left", 1));
  expect(after(left, 20, gossip(cellar, news(attic, "suspect", 1)))[0].self.state).toBe("left");
  const [view] = after(among([cellar]), 10, gossip(cellar, news(cellar, "left", 1)));
  expect(sent(pass(view, 60_000)[1]).filter(({ message }) => message.type !== "gossip")).toEqual([]);
});

test("pings the dead ever more rarely, but still once a minute", () => {
  // A probe was under way when it died: that has ended, too.
  const [start] = pass(among([cellar]), 6_000);
  expect(start.members.get(cellar)?.state).toBe("dead");
  const knocks = (view: typeof start, until: number) =>
    sent(pass(view, until)[1]).filter(({ message }) => message.type === "ping");
  const soon = knocks(start, 600_000).length;
  expect(soon).toBeGreaterThan(13);
  expect(soon).toBeLessThan(22);
  const [later] = pass(start, 3_600_000);
  expect(knocks(later, 3_600_000 + 145_000).length).toBeGreaterThanOrEqual(2);
});

test("our own stall excuses the others: deadlines move, and we trust our probes less", () => {
  const [start] = pass(among([cellar]), 1_000);
  const [woken] = step(start, { kind: "tick" }, start.dueAt + 30_000, ink);
  expect(woken.members.get(cellar)?.state).toBe("suspect");
  expect(woken.health).toBe(start.health + 1);
  const [asleep] = step(start, { kind: "tick" }, start.dueAt, ink);
  expect(asleep.health).toBe(start.health);
});

test("forgets a device that is no member any more, and tells nothing about it", () => {
  const [view] = after(among([cellar, kitchen]), 10, { kind: "members", ids: [kitchen] });
  expect([...view.members].map(([id]) => id)).toEqual([kitchen]);
  const told = sent(pass(view, 5_000)[1]).flatMap(({ message }) => message.news.map(({ id }) => id));
  expect(told).not.toContain(cellar);
});

test("keeps the round-trip time of a probe that was answered directly", () => {
  const [probing, effects] = step(among([cellar]), { kind: "tick" }, 0, ink);
  const ping = sent(effects).find(({ message }) => message.type === "ping")!.message;
  const sequence = "sequence" in ping ? ping.sequence : 0;
  const ack: Message = { type: "ack", sequence, news: [], documents: [] };
  const [view] = after(probing, 40, { kind: "heard", from: cellar, message: ack });
  expect(view.members.get(cellar)?.rttMs).toBe(40);
});

test("an ack from a member that was neither probed nor asked clears no suspect", () => {
  const [probing] = pass(among([cellar, kitchen]), 0);
  const ack: Message = { type: "ack", sequence: probing.probes[0]!.sequence, news: [], documents: [] };
  const other = probing.probes[0]!.target === cellar ? kitchen : cellar;
  expect(after(probing, 40, { kind: "heard", from: other, message: ack })[0].probes).toHaveLength(1);
});

test("helpers that report failure confirm our probe; silent helpers put it in doubt", () => {
  const [asking] = pass(among([cellar, kitchen, porch, shed]), 500);
  const { sequence, helpers, endsAt } = asking.probes[0]!;
  expect(helpers).toHaveLength(3);
  const nack: Message = { type: "nack", sequence, news: [], documents: [] };
  const nacks = [...helpers, helpers[0]!].map((from) => ({ kind: "heard", from, message: nack }) as const);
  const [waiting] = pass(asking, 900);
  expect(pass(after(waiting, 900, ...nacks)[0], endsAt)[0].health).toBe(0);
  expect(pass(asking, endsAt)[0].health).toBe(3);
});

test("a helper pings on another's behalf, passes on the answer, and reports if there is none", () => {
  const ask: Message = { type: "ask", sequence: 77, target: kitchen, news: [], documents: [] };
  const [helping, effects] = after(among([cellar, kitchen]), 0, { kind: "heard", from: cellar, message: ask });
  const ping = sent(effects).find(({ to }) => to === kitchen)?.message;
  if (ping?.type !== "ping") throw new Error("no ping");
  const ack: Message = { type: "ack", sequence: ping.sequence, news: [], documents: [] };
  const [, answers] = after(helping, 100, { kind: "heard", from: kitchen, message: ack });
  expect(sent(answers)).toMatchObject([{ to: cellar, message: { type: "ack", sequence: 77 } }]);
  expect(sent(pass(helping, 400)[1])).toContainEqual(
    expect.objectContaining({ to: cellar, message: expect.objectContaining({ type: "nack", sequence: 77 }) }),
  );
});

test("a silent member is pinged nine times in a second, and helpers that are silent too are asked twice", () => {
  const [asking, first] = pass(among([cellar, kitchen, porch, shed]), 500);
  const { target, sequence, helpers, endsAt } = asking.probes[0]!;
  const nack: Message = { type: "nack", sequence, news: [], documents: [] };
  const [answered, second] = after(pass(asking, 600)[0], 600, { kind: "heard", from: helpers[0]!, message: nack });
  const all = sent([...first, ...pass(asking, 600)[1], ...second, ...pass(answered, endsAt)[1]]);
  const those = (type: Message["type"]) =>
    all.filter(({ message }) => message.type === type && "sequence" in message && message.sequence === sequence);
  expect(those("ping").map(({ to }) => to)).toEqual(Array(9).fill(target));
  expect(those("ask").map(({ to }) => to)).toEqual([...helpers, ...helpers.slice(1)]);
});

test("news is not wasted on a member that does not answer: only the first ping to it carries any", () => {
  const document = { kind: "record", id: "kitchen", number: 1, digest: "A".repeat(43) };
  const [view] = after(among([cellar]), 0, { kind: "publish", document });
  const pings = (effects: Parameters<typeof sent>[0]) => sent(effects).filter(({ message }) => message.type === "ping");
  const carried = (effects: Parameters<typeof sent>[0]) => pings(effects).map(({ message }) => message.documents);
  const [probing, first] = step({ ...view, probes: [], probeAt: 10, dueAt: 10 }, { kind: "tick" }, 10, ink);
  expect(carried(first)).toEqual([[document]]);
  expect(carried(step(probing, { kind: "tick" }, 260, ink)[1])).toEqual([[]]);
});

test("a helper pings a silent member every tenth of a second until it reports, however often it is asked", () => {
  const ask: Message = { type: "ask", sequence: 77, target: kitchen, news: [], documents: [] };
  const asked = { kind: "heard", from: cellar, message: ask } as const;
  const [helping, effects] = after(among([cellar, kitchen]), 0, asked, asked);
  const { sequence } = helping.errands[0]!;
  expect(helping.errands).toHaveLength(1);
  const all = sent([...effects, ...pass(helping, 400)[1]]);
  const pings = all.filter(({ message }) => message.type === "ping" && message.sequence === sequence);
  expect(pings.map(({ to }) => to)).toEqual(Array(4).fill(kitchen));
  expect(all.filter(({ message }) => message.type === "nack")).toHaveLength(1);
});

test("of a message, one forged signature is checked; of one member's claims in it, the first", () => {
  const start = among([cellar, kitchen]);
  let checks = 0;
  const counting: Proofs = {
    ...ink,
    verify: (statement, signature) => ++checks > 0 && ink.verify(statement, signature),
  };
  const claims = Array.from({ length: 30 }, (_, index) => news(cellar, "alive", index + 2));
  const forged = claims.map((claim) => ({ ...claim, signature: "A".repeat(86) }));
  step(start, gossip(kitchen, ...forged, ...forged.map((one) => ({ ...one, id: kitchen }))), 0, counting);
  expect(checks).toBe(1);
  step(start, gossip(kitchen, ...claims), 0, counting);
  expect(checks).toBe(2);
});

test("with half of a thousand members lost, our own probes are ten a second at most", () => {
  const ids = Array.from({ length: 999 }, (_, index) => idOf(index + 1));
  const told = (items: News[]): Event => ({ kind: "synced", from: ids[0]!, freight: { news: items, documents: [] } });
  const claims = ids.map((id) => news(id, "alive", 1));
  const charges = ids.slice(0, 500).map((id, index) => news(id, "suspect", 1, ids[500 + (index % 400)]));
  const members: Event = { kind: "members", ids };
  let [view] = after(begin(attic, 7, 0, ink), 0, members, told(claims), told(charges));
  const startedAt = new Map<number, number>();
  while (view.dueAt <= 30_000) {
    const now = view.dueAt;
    const [next, effects] = step(view, { kind: "tick" }, now, ink);
    view = next;
    for (const { message } of sent(effects))
      if (message.type === "ping" && !startedAt.has(message.sequence)) startedAt.set(message.sequence, now);
  }
  const starts = [...startedAt.values()];
  expect(starts.length).toBeGreaterThan(200);
  for (const start of starts)
    expect(starts.filter((at) => at >= start && at < start + 1_000).length).toBeLessThanOrEqual(10);
});
