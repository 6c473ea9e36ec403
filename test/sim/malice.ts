// What a hostile member may do to the liveness of others. It can sign in its own name only.
import type { Message } from "../../agent/cluster/messages.ts";
import type { ChargeNews, ClaimNews, News } from "../../agent/cluster/news.ts";
import { idOf, ink, inkOf } from "./ink.ts";
import type { Malice, Neighborhood } from "./neighborhood.ts";

type Act = (town: Neighborhood, self: number) => void;
const gossip = (...news: News[]): Message => ({ type: "gossip", news, documents: [] });

/** The newest claim of `victim` that the hostile member has heard. */
function claimOf(town: Neighborhood, self: number, victim: number): { incarnation: number; signature: string } {
  const known = town.bodies[self]?.view.members.get(idOf(victim));
  return { incarnation: known?.incarnation ?? 1, signature: known?.signature ?? "" };
}

function chargeBy(town: Neighborhood, self: number, victim: number, by: number, state: "suspect" | "dead"): ChargeNews {
  const statement = { id: idOf(victim), incarnation: claimOf(town, self, victim).incarnation, state, by: idOf(by) };
  const { signature } = claimOf(town, self, victim);
  return { ...statement, signature, proof: inkOf(statement, idOf(self)) };
}

const others = (town: Neighborhood, ...not: number[]): number[] =>
  town.bodies.flatMap((_, index) => (not.includes(index) ? [] : [index]));

/** Accuses `victims` in its own name, to everybody. */
export const accuser =
  (victims: readonly number[]): Act =>
  (town, self) => {
    for (const victim of victims)
      for (const state of ["suspect", "dead"] as const)
        for (const to of others(town, self)) town.post(self, to, gossip(chargeBy(town, self, victim, self, state)));
  };

/** Accuses `victims` in the name of everybody else, of one after the other. */
export const forger =
  (victims: readonly number[]): Act =>
  (town, self) => {
    for (const victim of victims)
      for (const to of others(town, self, victim)) {
        const by = (victim + 1 + Math.floor(town.draw() * (town.bodies.length - 1))) % town.bodies.length;
        town.post(self, to, gossip(chargeBy(town, self, victim, by, "dead")));
      }
  };

/** Lives a new life with every breath. */
export const shouter: Act = (town, self) => {
  const incarnation = 1_000 + Math.floor(town.now);
  const claim = { id: idOf(self), incarnation, state: "alive" } as const;
  const news: ClaimNews = { ...claim, signature: ink.sign(claim) };
  for (const to of others(town, self)) town.post(self, to, gossip(news));
};

/** Reports as a helper that the living are dead, and that the dead are alive. */
const lie: NonNullable<Malice["hear"]> = (town, self, from, message) => {
  if (message.type !== "ask") return false;
  const isUp = town.bodies[town.indexOf(message.target)]!.isUp;
  town.post(self, from, { type: isUp ? "nack" : "ack", sequence: message.sequence, news: [], documents: [] });
  return true;
};

export const hostile = (everyMs: number, ...acts: Act[]): Malice => ({
  everyMs,
  act: (town, self) => {
    for (const act of acts) act(town, self);
  },
  hear: lie,
});
