// What is announced to Home Assistant.
import { expect, test } from "vitest";
import { announcements } from "../../../agent/telemetry/homeassistant.ts";
import { rolloutOf, updateOf } from "../../../agent/telemetry/messages.ts";
import { makeStartedAt } from "../../../agent/telemetry/started-at.ts";
import { brokerLimits, mayPublish } from "../../../ota/fleet/access.ts";
import { type TopicName, topicOf, topics, type UpdatePayload } from "../../../ota/fleet/topics.ts";
import type { RolloutStatus } from "../../../ota/rollout/report.ts";
import type { UpdateReport } from "../../../provisioning/handover/update.ts";
import { reportOf } from "../update/updater.ts";

const self = { id: "a".repeat(26), neighborhood: "n".repeat(26), name: "attic", board: "nuc", release: "1.0.0" };
const parsed = (name = "attic") =>
  announcements({ ...self, name }).map(([topic, json]) => {
    const [, component = "", , key = ""] = topic.split("/");
    return [key, JSON.parse(json), component] as const;
  });
const byKey = (name?: string) => new Map(parsed(name).map(([key, json]) => [key, json]));
const sensors = () => parsed().filter(([, , component]) => component === "sensor");

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
    expect(json()).toMatchObject({ device: { name: "attic" } });
    const topics = ["metrics", "warnings", "update"].map((name) => topicOf(neighborhood, device, name as TopicName));
    expect(topics).toContain(json()["state_topic"]);
  }
});

test.each(["attic", "attic-2", "a--b", "2nd-floor", "x", "0", "a".repeat(63), "xn--bcher-kva"])(
  "ha-object-id: entities of %s have ids that Home Assistant takes, and stay the same entities under another name",
  (name) => {
    const all = parsed(name);
    // homeassistant/core.py: VALID_ENTITY_ID
    for (const [, { default_entity_id }] of all)
      expect(default_entity_id).toMatch(/^(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)$/);
    for (const [, { object_id, default_entity_id }, component] of all)
      expect(default_entity_id).toBe(`${component}.${object_id}`);
    expect(new Set(all.map(([, { default_entity_id }]) => default_entity_id)).size).toBe(all.length);
    expect(all.map(([, { unique_id }]) => unique_id)).toEqual(parsed().map(([, { unique_id }]) => unique_id));
  },
);

test("ha-object-id: attic's processor is sensor.attic_cpu", () => {
  expect(byKey().get("cpu")).toMatchObject({ default_entity_id: "sensor.attic_cpu", name: "Processor" });
  expect(byKey("attic-2").get("cpu")).toMatchObject({ default_entity_id: "sensor.attic_2_cpu" });
});

test("device classes and units match as Home Assistant requires", () => {
  for (const [key, { device_class, state_class, unit_of_measurement }] of sensors()) {
    const units: Record<string, string | undefined> = { temperature: "°C", data_size: "B", timestamp: undefined };
    if (device_class !== undefined) expect([key, unit_of_measurement]).toEqual([key, units[device_class]]);
    // A point in time is no measurement.
    expect(state_class).toBe(device_class === "timestamp" ? undefined : "measurement");
  }
});

test("ha-no-temperature: every template checks that a field exists before it reads it", () => {
  const fields = Object.keys(topics.metrics.payload.shape);
  for (const [key, { value_template }] of sensors()) {
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
    ...{ cpu: true, memory: true, disk: true, started: true, problem: true, release: true },
  });
  expect(keys(announcements(self, (source) => (source === "update" ? undefined : true)))).not.toHaveProperty("release");
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

test("templates of the other entities read fields that the messages have", () => {
  const fieldsOf = { problem: ["warnings"], release: Object.keys(topics.update.payload.shape) } as Record<
    string,
    string[]
  >;
  for (const [key, { value_template, json_attributes_template = "" }] of parsed()) {
    const fields = fieldsOf[key];
    if (!fields) continue;
    const read = [...`${value_template}${json_attributes_template}`.matchAll(/value_json\.(\w+)/g)];
    expect(read.length).toBeGreaterThan(0);
    expect(fields).toEqual(expect.arrayContaining(read.map(([, field]) => field)));
  }
});

test("the update entity has words for each way in which an update came back", () => {
  const outcomes = topics.update.payload.shape.fallback.unwrap().shape.outcome.options;
  for (const outcome of outcomes) expect(byKey().get("release").value_template).toContain(`'${outcome}': ' `);
});

test("an update entity shows and cannot install: nothing that comes over MQTT is an order", () => {
  const release = byKey().get("release");
  expect(release).toMatchObject({ device_class: "firmware", default_entity_id: "update.attic_release" });
  expect(Object.keys(release).filter((key) => key.includes("command") || key === "payload_install")).toEqual([]);
});

test("the message about updates tells how the rollout stands, for the device and for all, and Home Assistant sums it up", () => {
  const status: RolloutStatus = {
    ...{ rollout: "r".repeat(22), number: 1, release: "0.2.0", operators: ["owner"], state: "running", waves: [100] },
    ...{ wave: 0, updated: 1, failed: 0, total: 3, isWindowIgnored: false, later: [] },
    members: [{ id: self.id, standing: "waiting", waits: { on: "restart", device: "other", since: 5 } }],
  };
  const message = updateOf(reportOf({}), rolloutOf(status, self.id));
  expect(topics.update.payload.parse(message).rollout).toEqual({
    ...{ release: "0.2.0", state: "running", updated: 1, failed: 0, total: 3, standing: "waiting", waits: "restart" },
  });
  const [, announced = ""] = announcements(self).find(([topic]) => topic.includes("/update/"))!;
  expect(JSON.parse(announced).value_template).toContain("rollout.updated ~ ' of ' ~ rollout.total");
  const nobody = [{ why: "unfit" as const, count: 3 }];
  const without = updateOf(reportOf({}), rolloutOf({ ...status, state: "nobody", nobody, total: 0 }, self.id));
  expect(topics.update.payload.parse(without).rollout).toMatchObject({ state: "nobody", nobody });
  expect(JSON.parse(announced).value_template).toContain("Nobody here takes part in the rollout of ");
  const publisher = "5f".repeat(16);
  const auto = { publisher, waves: [100], soakSeconds: 0, successPercent: 95, hasZone: false };
  const byItself = updateOf(reportOf({}), rolloutOf({ ...status, operators: [], auto }, self.id));
  expect(topics.update.payload.parse(byItself).rollout).toMatchObject({ auto: publisher });
  expect(JSON.parse(announced).value_template).toContain("(auto, by the publisher of ' ~ rollout.auto[:8]");
});

test.each<[string, Partial<UpdateReport>, Partial<UpdatePayload>]>([
  ["nothing", {}, { phase: "idle" }],
  ["a newer release", { newest: "0.2.0" }, { newest: "0.2.0" }],
  [
    "an update on its way",
    { activity: { phase: "verifying", version: "0.2.0", doneBytes: 995, totalBytes: 1_000 } },
    { phase: "verifying", target: "0.2.0", percent: 99 },
  ],
  [
    "what an update waits for",
    { activity: { phase: "waiting", because: { code: "update.noRoom", message: "the slot is too small" } } },
    { phase: "waiting", because: "update.noRoom" },
  ],
  [
    "a fallback, without its log",
    { fallback: { atMs: 1, from: "0.1.0", to: "0.2.0", outcome: "failed", check: "trial.mesh", log: ["secret"] } },
    { fallback: { to: "0.2.0", outcome: "failed", check: "trial.mesh" } },
  ],
  [
    "a trial without a verdict apart from one that failed",
    { fallback: { atMs: 1, from: "0.1.0", to: "0.2.0", outcome: "void", check: "trial.noGossip" } },
    { fallback: { to: "0.2.0", outcome: "void", check: "trial.noGossip" } },
  ],
])("the message about updates tells %s", (_, report, said) => {
  const message = updateOf(reportOf(report));
  expect(topics.update.payload.parse(message)).toEqual({ v: 1, installed: "0.1.0", phase: "idle", ...said });
});
