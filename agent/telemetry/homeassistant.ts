// Home Assistant's MQTT discovery: one retained announcement for each entity, from which it shows the device without configuration.
import { homeAssistantRoot, type MetricsPayload, type TopicName, topicOf } from "../../ota/fleet/topics.ts";

export type Announced = { id: string; neighborhood: string; name: string; board: string; release: string };
/** What an entity needs: a field of the metrics, or another message of the device. */
export type Source = keyof MetricsPayload | "warnings" | "update";
type Entity = {
  component: "sensor" | "binary_sensor" | "update";
  topic: TopicName;
  needs: Source[];
  about: Record<string, string>;
};

/** `value` is the template of the sensor's value, computed from these `fields` of the metrics. */
const sensors: Record<string, { fields: (keyof MetricsPayload)[]; value: string; about: Record<string, string> }> = {
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

function sensorOf({ fields, value, about }: (typeof sensors)[string]): Entity {
  // A single message may still lack a field: the sensor sleeps, or the broker kept a message of an older release.
  const isThere = fields.map((field) => `value_json.${field} is defined`).join(" and ");
  const value_template = `{% if ${isThere} %}{{ ${value} }}{% else %}None{% endif %}`;
  return { component: "sensor", topic: "metrics", needs: fields, about: { ...about, value_template } };
}

const entities: Record<string, Entity> = {
  ...Object.fromEntries(Object.entries(sensors).map(([key, sensor]) => [key, sensorOf(sensor)])),
  /** On while the device warns of a problem, such as a failed update; the attributes say of which. */
  problem: {
    component: "binary_sensor",
    topic: "warnings",
    needs: ["warnings"],
    about: {
      name: "Problem",
      device_class: "problem",
      value_template:
        "{{ 'ON' if value_json.warnings | selectattr('severity', 'in', ['warning', 'error']) | list | count > 0 else 'OFF' }}",
      json_attributes_template: "{{ {'warnings': value_json.warnings | map(attribute='message') | list} | to_json }}",
    },
  },
  /** Without a command topic it only shows: nothing that comes over MQTT is an order. */
  release: {
    component: "update",
    topic: "update",
    needs: ["update"],
    about: {
      name: "Release",
      device_class: "firmware",
      value_template: [
        "{% set outcomes = {'failed': ' failed.', 'void': ' ended without a verdict and is tried again.'} %}",
        "{% set summary = 'The update to ' ~ value_json.fallback.to ~ outcomes[value_json.fallback.outcome]",
        " if value_json.fallback is defined else '' %}",
        "{% set rollout = value_json.rollout | default(none) %}",
        "{% if rollout and rollout.state in ['running', 'paused'] %}{% set summary = (summary ~ ' Rollout of ' ~ rollout.release",
        " ~ (' (auto, by the publisher of ' ~ rollout.auto[:8] ~ ')' if rollout.auto is defined else '') ~ ' ' ~ rollout.state",
        " ~ ': ' ~ rollout.updated ~ ' of ' ~ rollout.total ~ ' updated, ' ~ rollout.failed ~ ' failed'",
        " ~ (', waits: ' ~ rollout.waits if rollout.waits is defined else '') ~ '.') | trim %}{% endif %}",
        "{% if rollout and rollout.state == 'nobody' and rollout.nobody | rejectattr('why', 'eq', 'newer') | list %}",
        "{% set summary = (summary ~ ' Nobody here takes part in the rollout of ' ~ rollout.release ~ '.') | trim %}{% endif %}",
        "{{ {'installed_version': value_json.installed, 'latest_version': value_json.newest | default(value_json.installed),",
        " 'in_progress': value_json.phase in ['writing', 'verifying', 'restarting', 'trying'],",
        " 'update_percentage': value_json.percent | default(none), 'release_summary': summary} | to_json }}",
      ].join(""),
    },
  },
};

/**
 * Topic and payload for each entity: an announcement if the device has all it needs; an empty payload, which withdraws an earlier
 * announcement, if it lacks one; nothing while that is unknown.
 */
export function announcements(
  { id, neighborhood, name, board, release }: Announced,
  has: (source: Source) => boolean | undefined = () => true,
): [topic: string, payload: string][] {
  const device = { identifiers: [`hamlet-${id}`], name, manufacturer: "Hamlet", model: board, sw_version: release };
  return Object.entries(entities).flatMap(([key, { component, topic: from, needs, about }]): [string, string][] => {
    const topic = `${homeAssistantRoot}/${component}/${id}/${key}/config`;
    if (needs.some((source) => has(source) === false)) return [[topic, ""]];
    if (!needs.every(has)) return [];
    const entity = entityOf(name, key);
    const stateTopic = topicOf(neighborhood, id, from);
    const announcement = {
      ...about,
      unique_id: `hamlet-${id}-${key}`,
      default_entity_id: `${component}.${entity}`,
      // The older name of default_entity_id: Home Assistant needs it before 2025.10 and ignores it from 2026.4.
      object_id: entity,
      state_topic: stateTopic,
      ...("json_attributes_template" in about && { json_attributes_topic: stateTopic }),
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
