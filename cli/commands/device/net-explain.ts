// `net explain <member>`: shows how this device reaches a member, what it tried, and with what result.
import type { MemberPath, MemberStatus, Status } from "../../../agent/api/schema.ts";
import { bytes, duration, milliseconds } from "../../../dashboard/words.ts";
import { HamletError } from "../../../system/error.ts";
import { type Command, required } from "../../terminal/command.ts";
import { findDevice } from "../../terminal/device.ts";
import { jsonLines } from "../../terminal/output.ts";
import { filledTable } from "../../terminal/table.ts";
import { ownedDeviceOptions } from "./owned.ts";

export const netExplain: Command = {
  usage: "net explain <member>",
  summary: "show how a device reaches a member, what it tried, and why a link is slow or down",
  example: "hamlet net explain cellar",
  options: { ...ownedDeviceOptions, json: { type: "boolean", describe: "print JSON" } },
  async run(input, { print }) {
    const name = required(netExplain, input, 0, "the member's name");
    const device = await findDevice(input.values);
    const status = await device.status().finally(() => device.close());
    const member = status.members.find(({ id, name: called, address }) => [id, called, address].includes(name));
    if (!member) {
      throw new HamletError("usage.invalid", `${status.self.name} knows no member ${name}`, {
        hint: `it knows: ${status.members.map((one) => one.name).join(", ") || "nobody yet"}`,
        exitCode: 2,
      });
    }
    print(...(input.values["json"] ? jsonLines(member) : explain(status, member, Date.now())));
    return 0;
  },
};

export function explain(status: Status, member: MemberStatus, now: number): string[] {
  if (member.isSelf) return [`${member.name} is this device itself: there is no tunnel to explain.`];
  const facts = [
    ["mesh address", member.address],
    ["endpoint", member.endpoint ?? "none yet"],
    ["last handshake", member.handshakeAgeS === undefined ? "never" : `${duration(member.handshakeAgeS)} ago`],
    ["round trip", milliseconds(member.rttMs) || "not measured"],
    ["traffic", `${bytes(member.rxBytes ?? 0)} received, ${bytes(member.txBytes ?? 0)} sent`],
    ...(member.path?.inUse ? [["this path since", duration((now - member.path.inUse.since) / 1000)]] : []),
  ];
  const about = status.warnings.filter(
    ({ code, message }) => code.startsWith("mesh.") || code.startsWith("discovery.") || message.includes(member.name),
  );
  return [
    summary(member),
    "",
    ...facts.map(([what, value]) => `  ${what!.padEnd(15)}  ${value}`),
    "",
    ...(member.path ? tried(member.path, now) : ["no endpoint is known: only gossip mentions this member"]),
    ...(about.length > 0 ? ["", "warnings that may explain it:"] : []),
    ...about.flatMap(({ code, message, hint }) => [`  ${code}: ${message}`, `    next: ${hint}`]),
  ];
}

/** One sentence that says what matters most. */
function summary({ name, state, handshakeAgeS, path, endpoint }: MemberStatus): string {
  const inUse = path?.candidates.find((candidate) => candidate.endpoint === path.inUse?.endpoint);
  const how = inUse ? (classes[inUse.class] ?? inUse.class) : "the endpoint that its packets come from";
  if (handshakeAgeS === undefined) {
    return path && path.candidates.length > 0
      ? `${name} has never answered a handshake: none of the endpoints below leads to its WireGuard port.`
      : `${name} has never answered a handshake, and this device knows no endpoint of it.`;
  }
  if (state === "dead")
    return `${name} is dead to the cluster: it has answered nobody for about ${duration(handshakeAgeS)}.`;
  if (path?.isFailing)
    return `${name} no longer answers on ${endpoint ?? "its endpoint"}; this device is trying the others below.`;
  // WireGuard renews a handshake every 2 minutes while there is traffic, and keepalives are traffic.
  if (handshakeAgeS > 180) return `${name} is ${state}, but its last handshake is old: the tunnel may be down.`;
  return `${name} is ${state}, reached over ${how}.`;
}

const classes: Record<string, string> = {
  sameLink: "the same link",
  globalIpv6: "global IPv6",
  mapped: "a port mapped on its router",
  observed: "the address that others see",
  relay: "a relay",
  webSocket: "a WebSocket",
};
const sources: Record<string, string> = {
  record: "its record",
  hello: "its hello",
  mdns: "mDNS",
  seed: "a seed",
  wireguard: "its own packets",
};

function tried({ candidates, inUse, isTrying }: MemberPath, now: number): string[] {
  if (candidates.length === 0) return ["no endpoint is known"];
  const rows = candidates.map(({ endpoint, class: kind, source, heardAt, last }) => [
    endpoint,
    classes[kind] ?? kind,
    `${sources[source] ?? source}, ${duration((now - heardAt) / 1000)} ago`,
    last === undefined
      ? "not tried yet"
      : last.result === "works"
        ? `answered in ${milliseconds(last.tookMs)}, ${duration((now - last.at) / 1000)} ago`
        : `no handshake, ${duration((now - last.at) / 1000)} ago`,
    endpoint === inUse?.endpoint ? "in use" : endpoint === isTrying ? "being tried" : "",
  ]);
  return ["endpoints, best first:", ...filledTable(["endpoint", "leads over", "known from", "result", ""], rows)];
}
