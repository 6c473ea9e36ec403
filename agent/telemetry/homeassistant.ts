// Home Assistant's MQTT discovery: one retained announcement for each sensor, from which it shows the device without configuration.
import { homeAssistantRoot, type MetricsPayload, topicOf } from "../../ota/fleet/topics.ts";

export type Announced = { id: string; neighborhood: string; name: string; board: string; release: string };
type Field = keyof MetricsPayload;

/** `value` is the template of the sensor's value, computed from these `fields` of the metrics. */
const sensors: Record<string, { fields: Field[]; value: string; about: Record<string, string> }> = {
  cpu: {
    fields: ["cpu"],
    value: "(value_json.cpu * 100) | round(1)",
    about: { name: "Processor", unit_of_measurement: "%", icon: "mdi:chip", state_class: "measurement" },
  },
  memory: {
    fields: ["memoryAvailable", "memoryTotal"],
    value: "(100 - 100 * value_json.memoryAvailable / ([value_json.memoryTotal, 1] | max)) | round(1)",
    about: { name: "Memory in use", unit_of_measurement: "%", icon: "mdi:memory", state_class: "measurement" },
  },
  disk: {
    fields: ["dataFree"],
    value: "value_json.dataFree",
    about: { name: "Disk free", device_class: "data_size", unit_of_measurement: "B", state_class: "measurement" },
  },
  temperature: {
    fields: ["temperatureC"],
    value: "value_json.temperatureC",
    about: {
      name: "Temperature",
      device_class: "temperature",
      unit_of_measurement: "°C",
      state_class: "measurement",
    },
  },
  started: {
    fields: ["startedAt"],
    value: "((value_json.startedAt / 1000) | as_datetime).isoformat()",
    about: { name: "Started", device_class: "timestamp" },
  },
};

/**
 * Topic and payload for each sensor: an announcement if the device has all its fields; an empty payload, which withdraws an earlier
 * announcement, if it lacks one; nothing while that is unknown.
 */
export function announcements(
  { id, neighborhood, name, board, release }: Announced,
  has: (field: Field) => boolean | undefined = () => true,
): [topic: string, payload: string][] {
  const device = { identifiers: [`hamlet-${id}`], name, manufacturer: "Hamlet", model: board, sw_version: release };
  return Object.entries(sensors).flatMap(([key, { fields, value, about }]): [string, string][] => {
    const topic = `${homeAssistantRoot}/sensor/${id}/${key}/config`;
    if (fields.some((field) => has(field) === false)) return [[topic, ""]];
    if (!fields.every(has)) return [];
    // A single message may still lack a field: the sensor sleeps, or the broker kept a message of an older release.
    const isThere = fields.map((field) => `value_json.${field} is defined`).join(" and ");
    const entity = entityOf(name, key);
    const announcement = {
      ...about,
      value_template: `{% if ${isThere} %}{{ ${value} }}{% else %}None{% endif %}`,
      unique_id: `hamlet-${id}-${key}`,
      default_entity_id: `sensor.${entity}`,
      // The older name of default_entity_id: Home Assistant needs it before 2025.10 and ignores it from 2026.4.
      object_id: entity,
      state_topic: topicOf(neighborhood, id, "metrics"),
      availability_topic: topicOf(neighborhood, id, "state"),
      availability_template: "{{ value_json.state }}",
      device,
    };
    return [[topic, JSON.stringify(announcement)]];
  });
}

/** Home Assistant allows letters, digits and single underscores, but none at either end. */
const entityOf = (name: string, key: string): string =>
  `${name.toLowerCase()}_${key}`.replaceAll(/[^a-z0-9]+/g, "_").replaceAll(/^_|_$/g, "");
