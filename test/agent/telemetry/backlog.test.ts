import { expect, test } from "vitest";
import { Backlog } from "../../../agent/telemetry/backlog.ts";
import { warningsOf } from "../../../agent/telemetry/messages.ts";
import { brokerLimits } from "../../../ota/fleet/access.ts";
import { type MetricsPayload, maxPayloadBytes, topics } from "../../../ota/fleet/topics.ts";

const metrics = (at: number): MetricsPayload => ({
  ...{ at, cpu: 0, load1: 0, uptimeS: 1, memoryTotal: 4, memoryAvailable: 2, agentRss: 1 },
  ...{ linkRx: 1, linkTx: 1, meshRx: 1, meshTx: 1 },
});

test("the queue holds an hour, sends the oldest first, and never exceeds the broker's rate", () => {
  const backlog = new Backlog();
  for (let at = 1; at <= 400; at++) backlog.push(metrics(at));
  expect([backlog.queued, backlog.dropped]).toEqual([360, 40]);
  backlog.connected();
  const said = backlog.due(5_000).map(({ at }) => at);
  expect([said.length, said[0]]).toEqual([100, 41]);
  expect(backlog.due(5_050)).toEqual([]);
  for (let now = 5_100; backlog.queued > 0; now += 100) {
    said.push(...backlog.due(now).map(({ at }) => at));
    const takenMost = brokerLimits.burst + ((now - 5_000) / 1000) * brokerLimits.messagesPerSecond;
    expect(said.length).toBeLessThan(takenMost / 1.9);
  }
  expect(said).toEqual(Array.from({ length: 360 }, (_, index) => 41 + index));
});

const warning = { code: "port.taken" as const, severity: "error" as const, message: "m", hint: "h", since: 1 };

test("warnings that fit are not changed", () => {
  expect(warningsOf([warning])).toEqual({ v: 1, warnings: [warning] });
});

test.each(["m", "ä", "\n", "\u{1f3e0}", "\ud800"])(
  "of too many warnings full of %j, the newest that fit one message are sent",
  (letter) => {
    const current = Array.from({ length: 70 }, (_, since) => ({ ...warning, since, message: letter.repeat(2_000) }));
    const payload = warningsOf(current);
    expect(topics.warnings.payload.safeParse(JSON.parse(JSON.stringify(payload))).success).toBe(true);
    expect(Buffer.byteLength(JSON.stringify(payload))).toBeLessThanOrEqual(maxPayloadBytes);
    expect(payload.warnings.length).toBeGreaterThan(1);
    expect(payload.warnings.at(-1)?.since).toBe(69);
  },
);
