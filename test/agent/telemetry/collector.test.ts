import { expect, test } from "vitest";
import { makeCollector } from "../../../agent/telemetry/collector.ts";
import { topicOf } from "../../../ota/fleet/topics.ts";

const [hood, attic] = ["n".repeat(26), "a".repeat(26)];

test("a device that has said nothing of its peers for 150 s is not quoted any more", () => {
  let now = 0;
  const collector = makeCollector(hood, { now: () => now, monotonic: () => now });
  const peers = [{ id: "c".repeat(26), handshakeAgeS: 3 }];
  collector.receive(topicOf(hood, attic, "peers"), Buffer.from(JSON.stringify({ v: 1, peers })));
  now = 149_999;
  expect(collector.peers()).toEqual(new Map([[attic, peers]]));
  now = 150_000;
  expect(collector.peers().size).toBe(0);
});

test("peers that do not fit the schema are dropped", () => {
  const collector = makeCollector(hood, { now: () => 0, monotonic: () => 0 });
  const bad = [{ v: 1, peers: Array(129).fill({ id: attic }) }, { v: 1, peers: [{ id: 7 }] }, { v: 2, peers: [] }, "{"];
  for (const payload of bad) collector.receive(topicOf(hood, attic, "peers"), Buffer.from(JSON.stringify(payload)));
  expect(collector.peers().size).toBe(0);
});
