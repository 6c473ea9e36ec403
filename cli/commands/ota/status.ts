// `ota status`: what of a repository expires when, and what waits for signatures.
import { repositoryStatus } from "../../../ota/repository/status.ts";
import { systemClock } from "../../../system/clock.ts";
import { shellWord } from "../../../system/shell-word.ts";
import type { Command } from "../../terminal/command.ts";
import { filledTable } from "../../terminal/table.ts";
import { describePolicy } from "../rollout/terms.ts";
import { folderOf, folderOption } from "./repository.ts";

const dayMs = 86_400_000;

export const otaStatus: Command = {
  usage: "ota status --folder <folder>",
  summary: "show what of a repository expires when, and what waits for signatures",
  example: "hamlet ota status --folder ota/",
  details: `
Devices take no update from metadata that has expired. What is past half of its time is to be signed: hamlet ota sign.
"key" tells whether this folder has the key for it.`,
  options: { json: { type: "boolean", describe: "print the result as JSON" }, ...folderOption },
  async run({ values }, { print, note }) {
    const folder = folderOf(otaStatus, values);
    const now = systemClock.now();
    const status = await repositoryStatus(folder, now);
    if (values["json"]) {
      print(JSON.stringify(status));
      return 0;
    }
    const rows = status.roles.map(({ role, version, expiresMs, state, hasKey }) => [
      role,
      String(version),
      new Date(expiresMs).toISOString().slice(0, 10),
      state === "expired" ? "expired" : `${Math.floor((expiresMs - now) / dayMs)} days left`,
      hasKey ? "here" : "elsewhere",
    ]);
    print(...filledTable(["role", "version", "expires", "", "key"], rows));
    for (const { board, newest, rollout, releases } of status.boards) {
      if (newest === undefined) continue;
      print(`${board}: ${newest}, ${releases} release(s)`);
      print(`  without an operator: ${rollout ? describePolicy(rollout) : "waits until somebody asks for it"}`);
    }
    const sign = `hamlet ota sign --folder ${shellWord(folder)}`;
    for (const { role, signatures, changes } of status.staged) {
      for (const change of changes) note(`staged: ${role}.json ${change}`);
      if (signatures > 0) note(`${role} waits for ${signatures} signature(s): where the keys are, type ${sign}`);
    }
    const due = status.roles.filter(({ state }) => state !== "fresh");
    if (due.length > 0) note(`time to sign ${due.map(({ role }) => role).join(", ")}: ${sign}`);
    return 0;
  },
};
