import { expect, test } from "vitest";
import { brokerLimits, mayPublish } from "../../../ota/fleet/access.ts";
import { topicOf } from "../../../ota/fleet/topics.ts";

const hood = "n".repeat(26);
const attic = "a".repeat(26);
const cellar = "c".repeat(26);

function verdict(json: unknown) {
  const packet = { topic: `homeassistant/sensor/${attic}/cpu/config`, payload: JSON.stringify(json), retain: true };
  const parsed: unknown = JSON.parse(packet.payload);
  return mayPublish({
    ...{ neighborhood: hood, device: attic, packet, limits: brokerLimits },
    ...{ json: () => parsed, kept: new Set<string>() },
  });
}
const own = {
  unique_id: `hamlet-${attic}-cpu`,
  state_topic: topicOf(hood, attic, "metrics"),
  device: { identifiers: [`hamlet-${attic}`], name: "attic" },
};
const theirs = topicOf(hood, cellar, "state");
const nested = (levels: number): unknown => (levels === 0 ? 1 : { more: nested(levels - 1) });

test.each([
  ["with full keys", own],
  ["with abbreviated keys", { uniq_id: own.unique_id, stat_t: own.state_topic, dev: { ids: `hamlet-${attic}` } }],
  ["with its availability in a list", { ...own, availability: [{ topic: topicOf(hood, attic, "state") }] }],
  ["with a template that names no topic", { ...own, value_template: "{{ value_json.hamlet / 2 }}" }],
])("a device announces itself to Home Assistant %s", (_how, json) => {
  expect(verdict(json)).toBeUndefined();
});

test.each([
  ["as another device", { ...own, device: { identifiers: [`hamlet-${cellar}`] } }],
  ["as itself and another device", { ...own, device: { identifiers: [`hamlet-${attic}`, `hamlet-${cellar}`] } }],
  ["as another device, with abbreviated keys", { ...own, dev: { ids: `hamlet-${cellar}` } }],
  ["as a device whose id has the same beginning", { ...own, device: { identifiers: `hamlet-${attic}x` } }],
  ["without a device", { unique_id: own.unique_id, state_topic: own.state_topic }],
  ["as a device without identifiers", { ...own, device: { name: "attic" } }],
  ["as a device with an empty list of identifiers", { ...own, device: { identifiers: [] } }],
  [
    "with another's hardware address",
    { ...own, device: { ...own.device, connections: [["mac", "02:00:00:00:00:01"]] } },
  ],
  ["via another device", { ...own, device: { ...own.device, via_device: `hamlet-${cellar}` } }],
  ["with another's entity", { ...own, unique_id: `hamlet-${cellar}-cpu` }],
  ["without an entity", { ...own, unique_id: undefined }],
  ["with an entity that is a number", { ...own, unique_id: 7 }],
  ["with another's values", { ...own, state_topic: theirs }],
  ["with another's availability", { ...own, availability: [{ topic: theirs }] }],
  ["with another's availability, with abbreviated keys", { ...own, avty: { t: theirs } }],
  ["with another's topic as its base", { ...own, "~": `hamlet/${hood}/${cellar}` }],
  ["with another's topic under an unknown key", { ...own, options: { deep: [["x", theirs]] } }],
  ["with a topic that is a list", { ...own, command_topic: [theirs] }],
  ["with another program's topic", { ...own, availability: [{ topic: "zigbee2mqtt/lamp" }] }],
  ["with another's entity among its own", { ...own, components: { cpu: { unique_id: `hamlet-${cellar}-cpu` } } }],
  ["nested too deeply", { ...own, more: nested(1_000) }],
  ["as a list", [own]],
  ["as null", null],
])("an announcement %s is refused", (_how, json) => {
  expect(verdict(json)).toBe("payload.invalid");
});
