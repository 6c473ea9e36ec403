// Names, news and views for the tests of the core.
import type { Message } from "../../../agent/cluster/messages.ts";
import type { News, State } from "../../../agent/cluster/news.ts";
import { begin, type Event, step } from "../../../agent/cluster/swim.ts";
import type { Effect, View } from "../../../agent/cluster/view.ts";
import { idOf, ink } from "../../sim/ink.ts";

export const [attic, cellar, kitchen, porch, shed] = [0, 1, 2, 3, 4].map(idOf) as [
  string,
  string,
  string,
  string,
  string,
];

/** News that its subject signed, doubted by `by` if the state is one of doubt. */
export function news(id: string, state: State, incarnation: number, by = kitchen): News {
  const signature = ink.sign({ id, incarnation, state: state === "left" ? "left" : "alive" });
  if (state === "alive" || state === "left") return { id, state, incarnation, signature };
  return { id, state, incarnation, signature, by, proof: ink.sign({ id, state, incarnation, by }) };
}

export const gossip = (from: string, ...items: News[]): Event => ({
  kind: "heard",
  from,
  message: { type: "gossip", news: items, documents: [] },
});

/** The attic's view after `events`, all at `now`, and their effects. */
export function after(view: View, now: number, ...events: Event[]): [View, Effect[]] {
  const effects: Effect[] = [];
  for (const event of events) {
    const [next, more] = step(view, event, now, ink);
    view = next;
    effects.push(...more);
  }
  return [view, effects];
}

/** The attic's view with `others` as members, all alive at incarnation 1. */
export function among(others: string[], now = 0): View {
  const introductions = others.map((id) => gossip(id, news(id, "alive", 1)));
  return after(begin(attic, 7, now, ink), now, { kind: "members", ids: others }, ...introductions)[0];
}

/** Ticks whenever due, up to `until`; no member answers. */
export function pass(view: View, until: number): [View, Effect[]] {
  const effects: Effect[] = [];
  while (view.dueAt <= until) {
    const [next, more] = step(view, { kind: "tick" }, view.dueAt, ink);
    view = next;
    effects.push(...more);
  }
  return [view, effects];
}

export const sent = (effects: Effect[]): { to: string; message: Message }[] =>
  effects.flatMap((effect) => (effect.kind === "send" ? [effect] : []));
