// One run: members ask for leases while everything goes wrong, and what must hold nevertheless.
// A run depends on nothing but its options: the same ones give the same history.
import { majorityOf } from "../../../agent/cluster/leases/list.ts";
import { leaseMs, roundMs } from "../../../agent/cluster/leases/terms.ts";
import { type Fault, Town } from "./town.ts";

export type LeaseWorldOptions = { seed: number; fault?: Fault };
export type LeaseOutcome = {
  size: number;
  grants: number;
  denials: number;
  /** How long after the death of its holder until another had the lease. */
  freeAfterMs: number | undefined;
  steps: number;
  datagrams: number;
  problems: string[];
};

const minute = 60_000;
const troubleMs = 100 * minute;

export const commandOf = (seed: number): string => `npm run sim:leases -- --seed ${seed}`;

export function runLeases({ seed, fault }: LeaseWorldOptions): LeaseOutcome {
  const size = 2 + (seed % 6);
  const loss = [0, 0.05, 0.3][seed % 3]!;
  const town = new Town({ size, seed, loss, ...(fault && { fault }) });
  const problems: string[] = [];
  let [grants, denials] = [0, 0];
  let isOver = false;
  const chance = (from: number, to: number) => from + town.draw() * (to - from);
  const one = () => Math.floor(town.draw() * size);
  const report = (text: string) => {
    if (problems.length < 10) problems.push(`${(town.now / 1_000).toFixed(1)} s: ${text}`);
  };

  town.onOutcome = (member, effect) => {
    if (effect.kind === "denied") denials++;
    if (effect.kind !== "granted") return;
    grants++;
    const others = town.holders().filter((other) => other !== member);
    if (others.length > 0) report(`${member} has the lease while ${others.join(", ")} has it`);
    checkMajority(town, member, report);
    if (isOver) return;
    const { life } = town.bodies[member]!;
    const is = (then: () => void) => () => !isOver && town.bodies[member]!.life === life && then();
    const fate = town.draw();
    if (fate < 0.5)
      town.at(
        town.now + chance(1_000, 5 * minute),
        is(() => town.giveBack(member)),
      );
    else if (fate < 0.8) {
      // It restarts under the lease, comes back, and asks for it again until it has it, or until it has said how it went.
      town.at(
        town.now + chance(1_000, minute),
        is(() => town.kill(member)),
      );
      town.at(town.now + chance(2 * minute, 10 * minute), () => {
        if (isOver || town.bodies[member]!.isUp) return;
        town.restart(member);
        const back = town.bodies[member]!.life;
        resume(member, back);
        if (fate < 0.6)
          town.at(town.now + chance(1_000, minute), () => {
            if (!isOver && town.bodies[member]!.life === back) town.giveBack(member);
          });
      });
    } else if (fate < 0.9)
      town.at(
        town.now + chance(0, minute),
        is(() => town.stall(member, chance(minute, 30 * minute))),
      );
    else
      town.at(
        town.now + chance(0, minute),
        is(() => town.kill(member)),
      );
  };

  const resume = (member: number, life: number): void => {
    const { isUp, life: now, view } = town.bodies[member]!;
    if (isOver || !isUp || now !== life || view.isDone || view.claim?.untilMs !== undefined) return;
    if (!view.claim) town.ask(member);
    town.at(town.now + 5_000, () => resume(member, life));
  };

  // Half of the runs begin with strangers, who have to become voters first.
  if (seed % 2 === 0) town.acquaint();
  town.run(5 * minute);
  const ends = town.now + troubleMs;
  const again = (fromMs: number, toMs: number, what: () => void): void => {
    const next = town.now + chance(fromMs, toMs);
    if (next >= ends) return;
    town.at(next, () => {
      what();
      again(fromMs, toMs, what);
    });
  };
  for (let member = 0; member < size; member++) {
    again(10_000, 4 * minute, () => {
      if (town.bodies[member]!.isUp && !town.holds(member)) town.ask(member);
    });
  }
  let forgotAt = Number.NEGATIVE_INFINITY;
  again(minute, 20 * minute, () => town.restart(one()));
  again(minute, 12 * minute, () => {
    // One card at a time: two that have forgotten the same thing at once are more than a majority can make good.
    if (town.now - forgotAt < 3 * minute || !isCalm(town)) return;
    forgotAt = town.now;
    town.restart(one(), { yesterday: true });
  });
  again(minute, 30 * minute, () => {
    for (const [member, { isUp }] of town.bodies.entries()) if (!isUp) town.restart(member);
  });
  // All at once, as after a power cut in the street.
  again(20 * minute, 90 * minute, () => {
    for (const member of town.bodies.keys()) town.restart(member);
  });
  again(minute, 20 * minute, () => town.stall(one(), chance(1_000, 10 * minute)));
  again(2 * minute, 20 * minute, () => town.partition(town.bodies.map(() => (town.draw() < 0.5 ? 0 : 1))));
  again(2 * minute, 20 * minute, () => town.partition(town.bodies.map(() => 0)));
  again(minute, 15 * minute, () => {
    for (const body of town.bodies) if (town.draw() < 0.5) body.yesterday = body.disk;
  });
  while (town.now < ends) {
    town.run(10_000);
    const holders = town.holders();
    if (holders.length > 1) report(`${holders.join(" and ")} have the lease`);
  }
  isOver = true;
  const freeAfterMs = fault ? undefined : dieHolding(town, report);
  const { steps, datagrams } = town;
  return { size, grants, denials, freeAfterMs, steps, datagrams, problems };
}

/** Whether every voter knows what it has promised. */
const isCalm = (town: Town): boolean => town.bodies.every(({ isUp, view }) => isUp && view.isReady);

/** A majority of the voters that the holder asked has granted, and was in reach when it was asked. */
function checkMajority(town: Town, member: number, report: (text: string) => void): void {
  const { claim } = town.bodies[member]!.view;
  const { voters } = claim!.list;
  // One that has just restarted may have forgotten its word already.
  const granted = town.bodies.filter(
    ({ view, startedAt }) => town.now - startedAt < roundMs || view.grants.some((grant) => grant.claim === claim!.id),
  );
  if (granted.filter(({ view }) => voters.includes(view.self)).length < majorityOf(voters.length))
    report(`${member} has the lease without a majority of ${voters.length}`);
  if (town.now - town.sidesSince < roundMs) return;
  const near = town.bodies.filter(({ view }, other) => voters.includes(view.self) && town.isLinked(member, other));
  if (near.length < majorityOf(voters.length)) report(`${member} has the lease in a minority`);
}

/** When all is well again a holder dies for good; the others must get the lease in time. */
function dieHolding(town: Town, report: (text: string) => void): number | undefined {
  town.partition(town.bodies.map(() => 0));
  const outcomeOf = town.onOutcome;
  const got = new Set<number>();
  town.onOutcome = (member, effect) => {
    outcomeOf(member, effect);
    if (effect.kind === "granted") got.add(member);
  };
  for (const [member, body] of town.bodies.entries()) {
    body.stalledUntil = 0;
    if (!body.isUp) town.restart(member);
  }
  const keepAsking = (members: readonly number[], mostMs: number) => {
    let asked = 0;
    let at = 0;
    return town.runUntil(() => {
      const winner = members.find((member) => got.has(member) && town.holds(member));
      if (winner !== undefined) return true;
      if (town.now >= at) {
        town.ask(members[asked++ % members.length]!);
        at = town.now + 15_000;
      }
      return false;
    }, mostMs);
  };
  town.run(1.5 * leaseMs);
  for (const member of town.bodies.keys()) if (town.holds(member)) town.giveBack(member);
  got.clear();
  const all = [...town.bodies.keys()];
  if (keepAsking(all, 10 * minute) === undefined) {
    report("nobody gets a lease after the trouble");
    return undefined;
  }
  const lists = new Set(town.bodies.map(({ view }) => JSON.stringify(view.list)));
  if (lists.size > 1) report(`members go by ${lists.size} lists after the trouble`);
  if (town.bodies.length < 3) return undefined;
  const holder = all.find((member) => town.holds(member))!;
  town.kill(holder);
  got.clear();
  const freeAfterMs = keepAsking(
    all.filter((member) => member !== holder),
    2 * leaseMs,
  );
  if (freeAfterMs === undefined || freeAfterMs > 1.5 * leaseMs)
    report(
      `the lease of a dead holder is free after ${freeAfterMs === undefined ? "more than 2 lease lengths" : `${freeAfterMs} ms`}`,
    );
  return freeAfterMs;
}
