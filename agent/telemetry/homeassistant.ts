// What Home Assistant needs to show a device by itself: one retained announcement a sensor (its MQTT discovery).
import { homeAssistantRoot, topicOf } from "../../ota/fleet/topics.ts";

export type Announced = { id: string; neighborhood: string; name: string; board: string; release: string };

const sensors: Record<string, Record<string, unknown>> = {
  cpu: {
    name: "Processor",
    unit_of_measurement: "%",
    icon: "mdi:chip",
    value_template: "{{ (value_json.cpu * 100) | round(1) }}",
  },
  memory: {
    name: "Memory in use",
    unit_of_measurement: "%",
    icon: "mdi:memory",
    value_template: "{{ (100 - 100 * value_json.memoryAvailable / value_json.memoryTotal) | round(1) }}",
  },
  disk: {
    name: "Disk free",
    device_class: "data_size",
    unit_of_measurement: "B",
    value_template: "{{ value_json.dataFree }}",
  },
  temperature: {
    name: "Temperature",
    device_class: "temperature",
    unit_of_measurement: "°C",
    value_template: "{{ value_json.temperatureC }}",
  },
  started: {
    name: "Started",
    device_class: "timestamp",
    value_template: "{{ ((value_json.at / 1000 - value_json.uptimeS) | round(-1) | as_datetime).isoformat() }}",
  },
};

/** Topic and payload of each announcement. */
export function announcements({ id, neighborhood, name, board, release }: Announced): [topic: string, json: string][] {
  const device = { identifiers: [`hamlet-${id}`], name, manufacturer: "Hamlet", model: board, sw_version: release };
  const availability = {
    availability_topic: topicOf(neighborhood, id, "state"),
    availability_template: "{{ value_json.state }}",
  };
  return Object.entries(sensors).map(([key, sensor]) => [
    `${homeAssistantRoot}/sensor/${id}/${key}/config`,
    JSON.stringify({
      ...sensor,
      ...(!sensor["device_class"] || sensor["device_class"] === "temperature" ? { state_class: "measurement" } : {}),
      unique_id: `hamlet-${id}-${key}`,
      object_id: `${name}_${key}`,
      state_topic: topicOf(neighborhood, id, "metrics"),
      ...availability,
      device,
    }),
  ]);
}
