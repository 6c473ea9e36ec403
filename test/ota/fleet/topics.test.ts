import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { makeLengthWatch } from "../../../ota/fleet/packets.ts";
import { isOwnTopic, parseTopic, topicOf, topics, topicsTable } from "../../../ota/fleet/topics.ts";

const hood = "n".repeat(26);
const attic = "a".repeat(26);

test("topics.md contains the current table", async () => {
  const text = await readFile(new URL("../../../ota/fleet/topics.md", import.meta.url), "utf8");
  // The formatter aligns the columns.
  const plain = (table: string) =>
    table.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---").replaceAll("|---", "| ---").replaceAll("---|", "--- |");
  expect(plain(text)).toContain(plain(topicsTable()));
});

test("a topic names its device and its kind, and malformed topics are refused", () => {
  expect(parseTopic(hood, topicOf(hood, attic, "metrics"))).toEqual({ device: attic, name: "metrics" });
  for (const topic of [
    "",
    "hamlet",
    `hamlet/${hood}/${attic}`,
    `hamlet/${hood}/${attic}/toString`,
    `hamlet/${hood}//state`,
  ]) {
    expect(parseTopic(hood, topic)).toBeUndefined();
  }
  expect(parseTopic("other", topicOf(hood, attic, "state"))).toBeUndefined();
  expect(parseTopic(hood, `${topicOf(hood, attic, "state")}/more`)).toBeUndefined();
});

test("a device owns only the topics below its full id", () => {
  expect(isOwnTopic(hood, attic, topicOf(hood, attic, "state"))).toBe(true);
  expect(isOwnTopic(hood, attic, `homeassistant/sensor/${attic}/cpu/config`)).toBe(true);
  for (const topic of [
    `hamlet/${hood}/${attic}`,
    `hamlet/${hood}/${attic}x/state`,
    `homeassistant/sensor/${attic}/cpu/state`,
    `homeassistant/sensor/${attic}/cpu/config/more`,
    `homeassistant/${attic}/cpu/config`,
  ]) {
    expect(isOwnTopic(hood, attic, topic)).toBe(false);
  }
});

test("a payload that exceeds its bounds is refused", () => {
  const warning = { code: "x", message: "m", hint: "h", since: 1 };
  const { payload } = topics.warnings;
  expect(payload.safeParse({ v: 1, warnings: [warning] }).success).toBe(true);
  expect(payload.safeParse({ v: 1, warnings: Array(65).fill(warning) }).success).toBe(false);
  expect(payload.safeParse({ v: 1, warnings: [{ ...warning, message: "m".repeat(1025) }] }).success).toBe(false);
  expect(topics.metrics.payload.safeParse({ at: 1, cpu: 2 }).success).toBe(false);
});

/** An MQTT packet with a body of `length` bytes. */
function packet(length: number): Buffer {
  const head = [0x30];
  let left = length;
  do {
    head.push((left % 128) | (left >= 128 ? 0x80 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return Buffer.concat([Buffer.from(head), Buffer.alloc(length, 0xff)]);
}

test.each([1, 2, 7, 100_000])("packet lengths are found in a stream that arrives %i bytes at a time", (cut) => {
  const stream = Buffer.concat([packet(0), packet(127), packet(128), packet(16_384), packet(2)]);
  const watch = makeLengthWatch(16_384);
  for (let at = 0; at < stream.length; at += cut) expect(watch.feed(stream.subarray(at, at + cut))).toBe(true);
  expect(watch.feed(packet(16_385).subarray(0, 4))).toBe(false);
});

test("a length that never ends is refused", () => {
  expect(makeLengthWatch(1 << 30).feed(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]))).toBe(false);
});
