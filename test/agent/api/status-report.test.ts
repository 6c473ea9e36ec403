import { expect, test } from "vitest";
import { memberStatuses, peersOf } from "../../../agent/api/status-report.ts";
import type { Member } from "../../../agent/membership/state.ts";
import { makeStreet, makeToken } from "../../street.ts";

const { jws: token } = await makeToken(makeStreet(), { tags: ["roof"] });

const [attic, cellar, kitchen] = ["a", "c", "k"].map((letter) => letter.repeat(26)) as [string, string, string];
const member = (id: string, name: string) =>
  ({
    name,
    address: `fd12::${name.length}`,
    wireguardKey: id,
    tokenId: "t1",
    record: { id, board: "nuc", release: "1", admissions: [], token },
  }) as unknown as Member;
const path = (endpoint: string) => ({
  inUse: { endpoint, since: 0 },
  isFailing: false,
  candidates: [{ endpoint: "10.0.0.2:51820", class: "sameLink" as const, source: "hello" as const, heardAt: 0 }],
});
const reach = {
  members: [member(kitchen, "kitchen"), member(cellar, "cellar")],
  liveness: new Map([
    [cellar, { state: "alive" as const, since: 0, incarnation: 1, rttMs: 0.74 }],
    [kitchen, { state: "dead" as const, since: 0, incarnation: 1 }],
  ]),
  paths: {
    status: () => [{ wireguardKey: cellar, latestHandshakeMs: 86_400, rxBytes: 1, txBytes: 2 }],
    explain: (id: string) => (id === cellar ? path("10.0.0.2:51820") : undefined),
  },
  now: 100_000,
};

test("a device reports each other member: kind of path, age of the handshake, round trip, as far as it knows them", () => {
  expect(peersOf(reach)).toEqual([{ id: cellar, path: "sameLink", handshakeAgeS: 14, rttMs: 0.7 }, { id: kitchen }]);
});

test("a status holds this device's own peers and those that living members report", () => {
  const identity = {
    id: attic,
    name: "attic",
    address: "fd12::a",
    token: { id: "t1", tags: ["cellar"] },
    admissions: [],
  };
  const config = { board: "nuc", release: "1" };
  const said = new Map([cellar, kitchen].map((id) => [id, [{ id: attic, handshakeAgeS: 9 }]]));
  const updating = new Map([[kitchen, 99_000]]);
  const statuses = memberStatuses({ ...reach, identity, config, metrics: new Map(), peers: said, updating });
  expect(statuses.map(({ name, peers }) => [name, peers])).toEqual([
    ["attic", peersOf(reach)],
    ["cellar", said.get(cellar)],
    ["kitchen", undefined],
  ]);
  expect(statuses.map(({ tags }) => tags)).toEqual([["cellar"], ["roof"], ["roof"]]);
  expect(statuses.map(({ updatingUntil }) => updatingUntil)).toEqual([undefined, undefined, 99_000]);
});
