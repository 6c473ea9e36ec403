// Formats a status for a terminal.
// Pure.
import type { MemberStatus, Status } from "../../../agent/api/schema.ts";
import { consequencesOf, originsOf } from "../../../agent/health/consequences.ts";
import { shownState } from "../../../dashboard/rollout-words.ts";
import { bytes, devicesAt, duration, milliseconds, percent } from "../../../dashboard/words.ts";
import { filledTable } from "../../terminal/table.ts";

export function statusText(status: Status, now: number): string[] {
  const { self, neighborhood, members, pending, neighbors, warnings } = status;
  const broker = members.find(({ id }) => id === status.broker)?.name;
  return [
    `${neighborhood?.name ?? "no neighborhood"}, seen from ${self.name} (${self.board}, release ${self.release}, agent up ${duration(self.uptimeS)})`,
    ...(status.phase === "member" ? [] : ["", phases[status.phase], `adoption code: ${self.code}`]),
    "",
    ...(members.length > 0 ? [...memberTable(members), ""] : []),
    `${broker === undefined ? "no telemetry broker" : `telemetry broker: ${broker}`}; ${count(devicesAt(neighbors), "other device")} on the link; ${count(status.tuning.length, "kernel setting")} tuned`,
    ...(status.lease ? [leaseLine(status.lease, members, now)] : []),
    ...(pending.length > 0
      ? ["", "waiting for adoption:", ...pending.map(({ name, code, because }) => `  ${name}  ${code}  ${because}`)]
      : []),
    "",
    ...warningLines(warnings, now),
  ];
}

const phases: Record<Exclude<Status["phase"], "member">, string> = {
  unprovisioned: "this device belongs to no neighborhood yet",
  pending: "this device asks to join and waits for its owner",
};

/** Prints consequences below the warning that they follow from, and does not count them. */
function warningLines(warnings: Status["warnings"], now: number): string[] {
  const origins = originsOf(warnings);
  if (origins.length === 0) return ["no warnings"];
  return [
    origins.length === 1 ? "1 warning:" : `${origins.length} warnings:`,
    ...origins.flatMap(({ severity = "warning", code, message, hint, since }) => [
      `  ${severity} ${code}: ${message} (for ${duration((now - since) / 1000)})`,
      ...consequencesOf(code, warnings).map((consequence) => `    hence: ${consequence.message}`),
      `    next: ${hint}`,
    ]),
  ];
}

function leaseLine(lease: NonNullable<Status["lease"]>, members: MemberStatus[], now: number): string {
  const { holder, since = now, voters } = lease;
  const name = members.find(({ id }) => id === holder)?.name ?? holder;
  const who =
    name === undefined ? "nobody holds the lease" : `${name} holds the lease (for ${duration((now - since) / 1000)})`;
  return `restarts: ${who}; ${count(voters.length, "voter")}`;
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`;

function memberTable(members: MemberStatus[]): string[] {
  const rows = members.map((member) => [
    member.isSelf ? `${member.name} *` : member.name,
    shownState(member),
    member.isSelf ? "" : member.handshakeAgeS === undefined ? "never" : `${duration(member.handshakeAgeS)} ago`,
    milliseconds(member.rttMs),
    bytes(member.rxBytes),
    bytes(member.txBytes),
    percent(member.metrics?.cpu),
    member.metrics ? percent(1 - member.metrics.memoryAvailable / member.metrics.memoryTotal) : "",
    member.metrics?.temperatureC === undefined ? "" : `${Math.round(member.metrics.temperatureC)} °C`,
    `${member.board} ${member.release}`,
    member.address,
  ]);
  return filledTable(
    ["name", "state", "handshake", "round trip", "received", "sent", "cpu", "memory", "temp", "system", "address"],
    rows,
  );
}
