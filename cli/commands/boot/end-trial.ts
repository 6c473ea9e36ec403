// Run by hamlet-verdict.service ten minutes after the start of a slot on trial: if the updater that should judge it has not, it goes back.
import { readFile } from "node:fs/promises";
import { slotOnCommandLine } from "../../../image/boot/running.ts";
import { trialRecordAt } from "../../../image/boot/trial-record.ts";
import { readDevice } from "../../../ota/updater/device.ts";
import { stateIn } from "../../../ota/updater/state.ts";
import { endUnjudged } from "../../../ota/updater/unjudged.ts";
import { pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { run } from "../../../system/command.ts";
import type { Command } from "../../terminal/command.ts";
import { ownBootControl } from "./boot.ts";

export const endTrial: Command = {
  usage: "unit end-trial",
  summary: "go back from a trial that nobody judged",
  example: "hamlet unit end-trial",
  async run(_input, { print }) {
    const control = await ownBootControl();
    const { bootId } = await readDevice(run);
    const slot = slotOnCommandLine(await readFile("/proc/cmdline", "utf8"));
    const { updateFolder, bootRecord } = pathsUnder("/");
    const state = stateIn(updateFolder);
    const records = {
      armed: await state.read("armed.json"),
      handMade: await state.read("handMade.json"),
      record: await trialRecordAt(bootRecord).read(),
    };
    if (await endUnjudged({ control, slot, bootId }, records))
      print("nobody judged this trial: going back to the other slot");
    return 0;
  },
};
