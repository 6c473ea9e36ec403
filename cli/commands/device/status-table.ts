// A status as text for a terminal. Pure.
import type { MemberStatus, Status } from "../../../agent/api/schema.ts";
import { bytes, duration, milliseconds, percent } from "../../../dashboard/words.ts";
import { filledTable } from "../../terminal/table.ts";

export function statusText(status: Status, now: number): string[] {
  const { self, neighborhood, members, pending, neighbors, warnings } = status;
  const broker = members.find(({ id }) => id === status.broker)?.name ?? "nobody";
  return [
    `${neighborhood?.name ?? "no neighborhood"}, seen from ${self.name} (${self.board}, release ${self.release}, agent up ${duration(self.uptimeS)})`,
    ...(status.phase === "member" ? [] : ["", phases[status.phase], `adoption code: ${self.code}`]),
    "",
    ...(members.length > 0 ? [...memberTable(members), ""] : []),
    `telemetry through ${broker}; ${neighbors.length} on the link; ${status.tuning.length} kernel settings tuned`,
    ...(pending.length > 0
      ? ["", "waiting for adoption:", ...pending.map(({ name, code, because }) => `  ${name}  ${code}  ${because}`)]
      : []),
    "",
    warnings.length === 0 ? "no warnings" : warnings.length === 1 ? "1 warning:" : `${warnings.length} warnings:`,
    ...warnings.flatMap(({ code, message, hint, since }) => [
      `  ${code}: ${message} (since ${duration((now - since) / 1000)})`,
      `    next: ${hint}`,
    ]),
  ];
}

const phases: Record<Exclude<Status["phase"], "member">, string> = {
  unprovisioned: "this device belongs to no neighborhood yet",
  pending: "this device asks to join and waits for its owner",
};

function memberTable(members: MemberStatus[]): string[] {
  const rows = members.map((member) => [
    member.isSelf ? `${member.name} *` : member.name,
    member.state,
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
