// Formats a device's status for /metrics, in Prometheus' text format (version 0.0.4).
import type { Metrics, Status } from "../api/schema.ts";

type Sample = { labels: Record<string, string>; value: number };
type Family = { name: string; type: "gauge" | "counter"; help: string; samples: Sample[] };

const gauges: [field: keyof Metrics, name: string, help: string][] = [
  ["cpu", "cpu_ratio", "Share of all cores in use"],
  ["load1", "load1", "Runnable tasks, mean of a minute"],
  ["memoryTotal", "memory_total_bytes", "Memory"],
  ["memoryAvailable", "memory_available_bytes", "Memory available to programs"],
  ["agentRss", "agent_resident_bytes", "Memory of the agent"],
  ["dataTotal", "data_total_bytes", "Size of the data partition"],
  ["dataFree", "data_free_bytes", "Free space on the data partition"],
  ["temperatureC", "temperature_celsius", "Hottest sensor"],
];
const counters: [field: keyof Metrics, name: string, help: string][] = [
  ["linkRx", "link_receive_bytes_total", "Bytes received on the links"],
  ["linkTx", "link_transmit_bytes_total", "Bytes sent on the links"],
  ["meshRx", "mesh_receive_bytes_total", "Bytes received over the mesh"],
  ["meshTx", "mesh_transmit_bytes_total", "Bytes sent over the mesh"],
];

export function prometheusText(status: Status): string {
  const { members, warnings, self } = status;
  const ofMembers = (value: (member: Status["members"][number]) => number | undefined): Sample[] =>
    members.flatMap((member) => {
      const found = value(member);
      return found === undefined ? [] : [{ labels: { device: member.name, id: member.id }, value: found }];
    });
  const codes = Map.groupBy(warnings, (warning) => warning.code);
  const families: Family[] = [
    {
      name: "info",
      type: "gauge",
      help: "Identity of this device",
      samples: [{ labels: { device: self.name, id: self.id, board: self.board, release: self.release }, value: 1 }],
    },
    {
      name: "member_alive",
      type: "gauge",
      help: "1 if the member answers, else 0",
      samples: ofMembers((member) => (member.state === "alive" ? 1 : 0)),
    },
    {
      name: "member_handshake_age_seconds",
      type: "gauge",
      help: "Time since the last WireGuard handshake with it",
      samples: ofMembers((member) => member.handshakeAgeS),
    },
    {
      name: "member_rtt_seconds",
      type: "gauge",
      help: "Round trip to it",
      samples: ofMembers((member) => (member.rttMs === undefined ? undefined : member.rttMs / 1000)),
    },
    {
      name: "warnings",
      type: "gauge",
      help: "Current warnings of this device by code",
      samples: [...codes].map(([code, all]) => ({ labels: { code }, value: all.length })),
    },
    ...gauges.map(([field, name, help]): Family => family(field, name, help, "gauge")),
    ...counters.map(([field, name, help]): Family => family(field, name, help, "counter")),
  ];
  function family(field: keyof Metrics, name: string, help: string, type: Family["type"]): Family {
    return { name, type, help, samples: ofMembers((member) => member.metrics?.[field]) };
  }
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(familyText)
    .join("");
}

function familyText({ name, type, help, samples }: Family): string {
  const lines = samples.map(({ labels, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
    return `hamlet_${name}{${pairs.join(",")}} ${value}`;
  });
  return [`# HELP hamlet_${name} ${help}.`, `# TYPE hamlet_${name} ${type}`, ...lines, ""].join("\n");
}

const escapeLabel = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
