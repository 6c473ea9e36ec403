// What is announced to Home Assistant.
import { expect, test } from "vitest";
import { announcements } from "../../../agent/telemetry/homeassistant.ts";
import { makeStartedAt } from "../../../agent/telemetry/started-at.ts";
import { brokerLimits, mayPublish } from "../../../ota/fleet/access.ts";
import { topicOf, topics } from "../../../ota/fleet/topics.ts";

const self = { id: "a".repeat(26), neighborhood: "n".repeat(26), name: "attic", board: "nuc", release: "1.0.0" };
const parsed = (name = "attic") =>
  announcements({ ...self, name }).map(([topic, json]) => [topic.split("/")[3]!, JSON.parse(json)] as const);

test("announcements to Home Assistant obey the broker's rules and show the device's own values", () => {
  const all = announcements(self);
  expect(all.length).toBeGreaterThan(3);
  expect(new Set(all.map(([topic]) => topic)).size).toBe(all.length);
  const taken = announcements(self, () => false);
  expect(taken).toEqual(all.map(([topic]) => [topic, ""]));
  for (const [topic, payload] of [...all, ...taken]) {
    const json = () => JSON.parse(payload) as Record<string, unknown>;
    const packet = { topic, payload, retain: true };
    const { id: device, neighborhood } = self;
    expect(mayPublish({ neighborhood, device, packet, json, kept: new Set(), limits: brokerLimits })).toBeUndefined();
    if (payload === "") continue;
    expect(json()).toMatchObject({ state_topic: topicOf(neighborhood, device, "metrics"), device: { name: "attic" } });
  }
});

test.each(["attic", "attic-2", "a--b", "2nd-floor", "x", "0", "a".repeat(63), "xn--bcher-kva"])(
  "ha-object-id: entities of %s have ids that Home Assistant takes, and stay the same entities under another name",
  (name) => {
    const all = parsed(name);
    // homeassistant/core.py: VALID_ENTITY_ID
    for (const [, { default_entity_id }] of all)
      expect(default_entity_id).toMatch(/^(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)$/);
    for (const [, { object_id, default_entity_id }] of all) expect(default_entity_id).toBe(`sensor.${object_id}`);
    expect(new Set(all.map(([, { default_entity_id }]) => default_entity_id)).size).toBe(all.length);
    expect(all.map(([, { unique_id }]) => unique_id)).toEqual(parsed().map(([, { unique_id }]) => unique_id));
  },
);

test("ha-object-id: attic's processor is sensor.attic_cpu", () => {
  expect(new Map(parsed()).get("cpu")).toMatchObject({ default_entity_id: "sensor.attic_cpu", name: "Processor" });
  expect(new Map(parsed("attic-2")).get("cpu")).toMatchObject({ default_entity_id: "sensor.attic_2_cpu" });
});

test("device classes and units match as Home Assistant requires", () => {
  for (const [key, { device_class, state_class, unit_of_measurement }] of parsed()) {
    const units: Record<string, string | undefined> = { temperature: "°C", data_size: "B", timestamp: undefined };
    if (device_class !== undefined) expect([key, unit_of_measurement]).toEqual([key, units[device_class]]);
    // A point in time is no measurement.
    expect(state_class).toBe(device_class === "timestamp" ? undefined : "measurement");
  }
});

test("ha-no-temperature: every template checks that a field exists before it reads it", () => {
  const fields = Object.keys(topics.metrics.payload.shape);
  for (const [key, { value_template }] of parsed()) {
    const [, asked = "", shown = ""] = /^{% if (.+) %}{{ (.+) }}{% else %}None{% endif %}$/.exec(value_template) ?? [];
    const read = [...shown.matchAll(/value_json\.(\w+)/g)].map(([, field]) => field!);
    expect([key, read.length]).not.toEqual([key, 0]);
    expect(fields).toEqual(expect.arrayContaining(read));
    expect([key, asked.split(" and ").toSorted()]).toEqual([
      key,
      [...new Set(read)].map((field) => `value_json.${field} is defined`).toSorted(),
    ]);
  }
});

test("ha-no-temperature: unknown sensors are not announced, missing ones are withdrawn", () => {
  const keys = (all: [string, string][]) =>
    Object.fromEntries(all.map(([topic, json]) => [topic.split("/")[3], json !== ""]));
  expect(keys(announcements(self, (field) => (field === "temperatureC" ? undefined : true)))).toEqual({
    ...{ cpu: true, memory: true, disk: true, started: true },
  });
  expect(keys(announcements(self, (field) => field !== "temperatureC"))).toMatchObject({
    cpu: true,
    temperature: false,
  });
});

test("ha-started: the start time stays the same when the clock is reread, slewed or nudged", () => {
  for (const bootTime of [1_795_000_000_000, 1_795_000_004_600, 1_795_000_005_000]) {
    const startedAt = makeStartedAt();
    const said = new Set<number | undefined>();
    for (let second = 10; second < 7_200; second += 10) {
      const uptimeS = Math.round((second + ((second * 7919) % 1000) / 1000) * 100) / 100;
      said.add(startedAt(0, Math.round(bootTime + uptimeS * 1000 + (second > 600 ? 4_000 : 0)), uptimeS));
    }
    expect([...said]).toHaveLength(1);
    expect(Math.abs([...said][0]! - bootTime)).toBeLessThan(1_000);
  }
});

test("ha-started: the start time changes once when a clock from 1970 is set right, and survives a restart of the agent", () => {
  const startedAt = makeStartedAt();
  const said = [startedAt(0, 12_000, 12), startedAt(0, 22_000, 22), startedAt(0, 1_795_000_032_000, 32)];
  for (let uptimeS = 42; uptimeS < 1_000; uptimeS += 10)
    said.push(startedAt(0, 1_795_000_000_000 + uptimeS * 1000, uptimeS));
  expect([...new Set(said)]).toEqual([0, 1_795_000_000_000]);
  // The kernel's own word has no jitter: two programs that read it agree to the second.
  expect(makeStartedAt()(1_795_000_000_000, 1_795_000_099_499, 99)).toBe(
    makeStartedAt()(1_795_000_000_000, 1_795_000_999_501, 999),
  );
  expect(makeStartedAt()(0, 5, 0)).toBeUndefined();
});
