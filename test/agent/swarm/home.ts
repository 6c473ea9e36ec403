// Members of one neighborhood on loopback, each with an address of its own, which lend and borrow over real sockets.
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { openBorrower, type Patience } from "../../../agent/swarm/borrower.ts";
import { openCounter } from "../../../agent/swarm/counter.ts";
import { makeLending } from "../../../agent/swarm/lending.ts";
import { Store } from "../../../agent/swarm/store.ts";
import { makeSwarm, type Swarm } from "../../../agent/swarm/swarm.ts";
import { openRepositories } from "../../../agent/update/fetch.ts";
import { type Lend, makeLend } from "../../../agent/update/lend.ts";
import { makePacks } from "../../../agent/update/packs.ts";
import { makeWeb } from "../../../agent/update/web.ts";
import { systemClock as clock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { silentLog } from "../../../system/log.ts";
import { memoryShelf } from "./shelf.ts";

export type Member = {
  id: string;
  address: string;
  isAlive: boolean;
  /** Names of members that it calls liars. */
  liars: string[];
  carried(): number;
  get: (request: Parameters<Lend>[0]) => Promise<Buffer>;
  /** Ends at once, as if its plug were pulled. */
  die(how?: { isNoticed: boolean }): Promise<void>;
};
export type MemberOptions = {
  urls?: string[];
  /** Answers other members instead of an honest lender. */
  mischief?: RequestListener;
  mayFetchForOthers?: boolean;
  isMetered?: boolean;
};
export const dark = "http://127.0.0.1:1";
const patient: Record<"kept" | "fetched", Patience> = {
  kept: { stallMs: 10_000, deadlineMs: 10_000 },
  fetched: { stallMs: 10_000, deadlineMs: 10_000 },
};
export const impatient: Record<"kept" | "fetched", Patience> = {
  kept: { stallMs: 300, deadlineMs: 600 },
  fetched: { stallMs: 500, deadlineMs: 1_000 },
};

export async function makeHome({ release = "1.1", patience = patient } = {}) {
  const members = new Map<string, Member & { close(): Promise<void> }>();
  const port = await freePort();
  let count = 0;
  const home = {
    release,
    members,
    port,
    async add(id: string, { urls = [], mischief, mayFetchForOthers = true, isMetered = false }: MemberOptions = {}) {
      const address = `127.0.1.${++count}`;
      const repositories = openRepositories({ urls, clock, random: () => 0, stallMs: 2_000, pauseMs: 1 });
      const packs = makePacks({ repositories, path: "/dev/null/pack" });
      const store = new Store({ shelf: memoryShelf(), web: makeWeb({ repositories, packs }), clock });
      const liars: string[] = [];
      const swarm: Swarm = makeSwarm({
        ...{ store, clock, random: Math.random, patience, release: () => home.release },
        onLie: ({ name }) => void liars.push(name),
        onForgiven: (id) => void liars.splice(liars.indexOf(id), 1),
      });
      const others = () =>
        [...members.values()].filter((one) => one.id !== id && one.isAlive).map((one) => ({ ...one, name: one.id }));
      const memberAt = (from: string) => [...members.values()].find((one) => one.address === from)?.id;
      const mayFetch = () => mayFetchForOthers && urls.length > 0;
      const counter = mischief
        ? await serveAt(address, port, mischief)
        : await openCounter({
            ...{ address, port, memberAt, clock, log: silentLog },
            serve: makeLending({ store, clock, mayFetch }),
          });
      const borrower = openBorrower({ localAddress: address, port, clock });
      swarm.join({ self: id, others, borrower });
      let carried = 0;
      const onCarried = (bytes: number) => {
        carried += bytes;
      };
      const lend = makeLend({
        swarm,
        checkCost(from) {
          if (isMetered && from === "web") throw new HamletError("update.metered", "no");
        },
      });
      const close = async () => {
        borrower.close();
        await counter.close();
      };
      const member = {
        ...{ id, address, isAlive: true, liars, carried: () => carried, close },
        get: (request: Parameters<Lend>[0]) => lend(request, { signal: AbortSignal.timeout(20_000), onCarried }),
        async die({ isNoticed } = { isNoticed: true }) {
          member.isAlive = !isNoticed;
          await close();
        },
      };
      members.set(id, member);
      return member as Member;
    },
    async [Symbol.asyncDispose]() {
      for (const member of members.values()) if (member.isAlive) await member.close();
    },
  };
  return home;
}

async function serveAt(address: string, port: number, listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  return {
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Free at all addresses. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
