// Exports the agent's settings as a JSON Schema, which Nix turns into options, and as a table in Markdown.
import { z } from "zod";
import { AgentConfig } from "./config.ts";

type Node = {
  type?: string;
  properties?: Record<string, Node>;
  items?: Node;
  enum?: unknown[];
  default?: unknown;
  description?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
};

/** The JSON Schema of the settings file, in which settings with a default are optional. */
export const agentSchema = (): Node => z.toJSONSchema(AgentConfig, { io: "input" }) as Node;

export function optionTable(schema: Node): string {
  const rows = leaves(schema, []).map(([path, node]) => {
    const value = node.default === undefined ? "" : `\`${JSON.stringify(node.default)}\``;
    return `| \`${path.join(".")}\` | ${kind(node)} | ${value} | ${(node.description ?? "").replaceAll("|", "\\|").replaceAll("<", "&lt;")} |`;
  });
  return [
    "# Settings of the agent",
    "",
    "On NixOS, set these below `services.hamlet.settings`; elsewhere, under the same names in `/etc/hamlet/agent.json`.",
    "Generated from `agent/config.ts` by `npm run docs`.",
    "",
    "| setting | type | default | meaning |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

/** Every setting that is not a group, with its path. */
function leaves(node: Node, path: string[]): [path: string[], node: Node][] {
  if (!node.properties) return [[path, node]];
  return Object.entries(node.properties).flatMap(([name, child]) => leaves(child, [...path, name]));
}

function kind({ type, minimum, maximum, pattern, items, enum: words }: Node): string {
  if (words) return words.map((word) => `\`${JSON.stringify(word)}\``).join(", ");
  if (type === "array") return `list of ${kind(items ?? {})}`;
  if (minimum !== undefined && maximum !== undefined) return `${type} ${minimum} to ${maximum}`;
  return pattern === undefined ? String(type) : `${type} like \`${pattern.replaceAll("|", "\\|")}\``;
}
