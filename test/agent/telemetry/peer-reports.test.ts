import { expect, test } from "vitest";
import { PeerReports } from "../../../agent/telemetry/peer-reports.ts";
import { maxPayloadBytes, topics } from "../../../ota/fleet/topics.ts";

const cellar = { id: "c".repeat(26), path: "sameLink", handshakeAgeS: 14, rttMs: 0.7 };

test("peers are reported once, then after a minute", () => {
  const reports = new PeerReports();
  expect(reports.due([cellar], 0)).toEqual({ v: 1, peers: [cellar] });
  expect(reports.due([{ ...cellar, handshakeAgeS: 2, rttMs: 9 }], 59_999)).toBeUndefined();
  expect(reports.due([cellar], 60_000)).toBeDefined();
});

test.each([
  ["a peer that comes", [cellar, { id: "k".repeat(26) }]],
  ["a peer that goes", []],
  ["another kind of path", [{ ...cellar, path: "observed" }]],
  ["a handshake that gets old", [{ ...cellar, handshakeAgeS: 180 }]],
])("%s is reported once five seconds have passed since the last report", (_, peers) => {
  const reports = new PeerReports();
  reports.due([cellar], 0);
  expect(reports.due(peers, 4_999)).toBeUndefined();
  expect(reports.due(peers, 5_000)).toEqual({ v: 1, peers });
});

test("a new connection reports again", () => {
  const reports = new PeerReports();
  reports.due([cellar], 0);
  reports.forget();
  expect(reports.due([cellar], 1)).toBeDefined();
});

test("the most that is reported fits the schema and one message", () => {
  const many = Array.from({ length: 200 }, () => ({
    ...cellar,
    path: "x".repeat(16),
    handshakeAgeS: 9e7,
    rttMs: 5999.9,
  }));
  const payload = new PeerReports().due(many, 0);
  expect(topics.peers.payload.parse(payload).peers).toHaveLength(128);
  expect(JSON.stringify(payload).length).toBeLessThan(maxPayloadBytes);
});
