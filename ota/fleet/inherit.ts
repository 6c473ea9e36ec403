// What a broker takes over from another: what that one retained of devices that do not speak to this one themselves.
// Pure; broker.ts keeps and publishes it.
import { parseJson } from "../../system/files.ts";
import { type BrokerLimits, mayPublish, maySubscribe } from "./access.ts";
import type { Door } from "./sessions.ts";
import { homeAssistantRoot, parseTopic, StatePayload, topicRoot } from "./topics.ts";

export type Kept = { topic: string; payload: Buffer; qos: 0 | 1 };

export type Heir = {
  neighborhood: string;
  isMember(device: string): boolean;
  isConnected(device: string): boolean;
  /** When this broker kept what it retains of a device, by topic. */
  keptOf(device: string): ReadonlyMap<string, number>;
  limits: BrokerLimits;
};

/**
 * The device of a retained message, or undefined if it is not for this heir: it is known better here, or nobody may say it. What was kept
 * since `before` is newer.
 */
export function heritageOf(heir: Heir, { topic, payload }: Kept, before: number): string | undefined {
  const device = deviceOf(heir.neighborhood, topic);
  if (device === undefined || !heir.isMember(device) || heir.isConnected(device) || payload.length === 0)
    return undefined;
  const kept = heir.keptOf(device);
  const keptAt = kept.get(topic);
  if (keptAt !== undefined && keptAt >= before) return undefined;
  const { neighborhood, limits } = heir;
  const json = () => parseJson(payload.toString());
  const because = mayPublish({ neighborhood, device, packet: { topic, payload, retain: true }, json, kept, limits });
  return because ? undefined : device;
}

/** What is believed of the sessions that another broker, or a file, tells of. `speaksFor`: of every device by default. */
export function doorOf({
  neighborhood,
  isMember,
  limits,
  speaksFor = () => true,
}: Pick<Heir, "neighborhood" | "isMember" | "limits"> & Partial<Pick<Door, "speaksFor">>): Door {
  const none = new Map();
  return {
    isMember,
    speaksFor,
    mayRead: (filter) => maySubscribe(neighborhood, filter, none, limits) === undefined,
    maySay(topic, payload) {
      const device = deviceOf(neighborhood, topic);
      if (device === undefined || !isMember(device)) return false;
      const packet = { topic, payload, retain: false };
      const json = () => parseJson(payload.toString());
      return mayPublish({ neighborhood, device, packet, json, kept: none, limits }) === undefined;
    },
  };
}

/** What a device's last will says, if `kept` says that it is online. Its own will died with the broker that held it. */
export function willOf(neighborhood: string, { topic, payload }: Kept): string | undefined {
  if (parseTopic(neighborhood, topic)?.name !== "state") return undefined;
  const state = StatePayload.safeParse(parseJson(payload.toString()));
  return state.success && state.data.state === "online"
    ? JSON.stringify({ ...state.data, state: "offline" })
    : undefined;
}

function deviceOf(neighborhood: string, topic: string): string | undefined {
  const [root, owner, device] = topic.split("/");
  if (root === topicRoot) return owner === neighborhood ? device : undefined;
  return root === homeAssistantRoot ? device : undefined;
}
