// `rollout rehearse --release <version>`: updates lab devices first, with power cuts, a bad line and a way back. Go or no-go.
import { randomInt } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { boardNames } from "../../../image/boards.ts";
import { webUrl } from "../../../image/lab/web/web.ts";
import { repositoryFolder } from "../../../ota/repository/folder.ts";
import { firstRootPath } from "../../../ota/repository/init.ts";
import { readReleaseRoot } from "../../../provisioning/file/update-source.ts";
import { systemClock } from "../../../system/clock.ts";
import { stateFolder } from "../../../system/paths.ts";
import { shellWord } from "../../../system/shell-word.ts";
import { type Command, text, usageError, type Values } from "../../terminal/command.ts";
import { jsonLines } from "../../terminal/output.ts";
import { catchStop } from "../../terminal/stop.ts";
import { ownedDeviceOptions } from "../device/owned.ts";
import { folderOf, folderOption } from "../ota/repository.ts";
import { openLabStage } from "./rehearsal/lab-stage.ts";
import { candidateImages, runningReleases } from "./rehearsal/neighborhood.ts";
import { type Plays, rehearse } from "./rehearsal/rehearse.ts";
import { chooseSubjects, findImage, neededBytes, readRepository, requireRoom } from "./rehearsal/subject.ts";
import { exitCodes, rehearsalText } from "./rehearsal/verdict.ts";

export const rolloutRehearse: Command = {
  usage: "rollout rehearse --release <version>",
  summary: "try a published release on lab devices first: go or no-go",
  example: "hamlet rollout rehearse --release 1.4.0 --folder ota/ --image out/hamlet-nuc-1.3.0.img",
  details: `
Starts virtual devices of the release that the neighborhood runs, with keys of their own, which take the very release from the
repository: an update, one over a bad line, three power cuts, and the way back. It touches no other lab and no device, and leaves
nothing behind. What runs is asked of any device; --from names it instead. A board that QEMU cannot emulate is not rehearsed.
Exit code 0 if all is go, 4 for no-go, 3 if something was not rehearsed and nothing failed. An emulated device on a busy computer
is slow, so a check that ran out of time may say more of the computer than of the release: repeat it with its seed.`,
  options: {
    ...ownedDeviceOptions,
    ...folderOption,
    release: { type: "string", argument: "version", describe: "the release; it must be the newest of its board" },
    from: {
      type: "string",
      argument: "version",
      describe: "the release that the devices come from (default: ask a device)",
    },
    board: {
      type: "string",
      multiple: true,
      argument: "board",
      choices: boardNames,
      describe: "only this board (default: those of the neighborhood, or with --from those of the release)",
    },
    image: {
      type: "string",
      multiple: true,
      argument: "file",
      describe:
        "an unused image of the old release (default: that of the running lab, or the last one that a lab built)",
    },
    devices: { type: "string", argument: "count", default: "3", describe: "number of lab devices, 2 to 6" },
    seed: { type: "string", argument: "n", describe: "chooses the moments of the power cuts (default: by chance)" },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  async run({ values }, { print, note, progress }) {
    const release = text(values, "release");
    if (release === undefined) throw usageError(rolloutRehearse, "--release is missing");
    const [devices, seed] = [numberOf(values, "devices", 2, 6) ?? 3, numberOf(values, "seed", 0, 999_999_999)];
    const folder = folderOf(rolloutRehearse, values);
    const { signal, exitCode } = catchStop();
    const releases = await readRepository(folder, systemClock.now());
    const only = listOf(values, "board");
    const from = text(values, "from");
    const wanted = (
      from === undefined
        ? await runningReleases(values)
        : [...releases]
            .filter(([, all]) => all.some(({ version }) => version === release))
            .map(([board]) => ({ board, from, devices: [] }))
    ).filter(({ board }) => only.length === 0 || only.includes(board));
    const subjects = chooseSubjects(releases, release, wanted, folder);
    await mkdir(stateFolder(), { recursive: true, mode: 0o700 });
    const updates = { repositories: [webUrl], releaseRoot: await readReleaseRoot(firstRootPath(folder)) };
    const named = await candidateImages(listOf(values, "image"));
    const plays: Plays = {
      async open(subject) {
        const image = await findImage(subject, named(subject));
        await requireRoom(stateFolder(), neededBytes(devices, subject.manifest));
        const onStage = (what: string) => progress.stage(`${subject.board} ${subject.from}: ${what}`);
        return await openLabStage({ image, served: repositoryFolder(folder), devices, updates }, onStage, signal);
      },
      onStage: (what) => progress.stage(what),
    };
    try {
      const chosen = seed ?? randomInt(1, 1_000_000);
      const again = commandOf(values, release, chosen);
      const rehearsal = await rehearse(plays, subjects, { release, seed: chosen, again });
      signal.throwIfAborted();
      progress.end();
      if (values["json"]) print(...jsonLines(rehearsal));
      else print(...rehearsalText(rehearsal));
      return exitCodes[rehearsal.verdict];
    } catch (error) {
      if (!signal.aborted) throw error;
      progress.end();
      note("stopped: the lab of the rehearsal is gone, and nothing of it is left");
      return exitCode();
    }
  },
};

const listOf = (values: Values, option: string): string[] => {
  const given = values[option];
  return Array.isArray(given) ? given : given === undefined ? [] : [String(given)];
};

function numberOf(values: Values, option: string, least: number, most: number): number | undefined {
  const given = text(values, option);
  if (given === undefined) return undefined;
  const number = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw usageError(rolloutRehearse, `--${option} is a whole number from ${least} to ${most}`);
}

/** With all that shapes the result. */
function commandOf(values: Values, release: string, seed: number): string {
  const words = ["from", "board", "image", "devices", "folder"].flatMap((option) =>
    (option === "devices" && values[option] === "3" ? [] : listOf(values, option)).map(
      (value) => `--${option} ${shellWord(value)}`,
    ),
  );
  return ["hamlet rollout rehearse", `--release ${shellWord(release)}`, ...words, `--seed ${seed}`].join(" ");
}
