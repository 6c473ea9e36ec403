// `image diff <a> <b>`: compares two images by packages, files and bytes.
import { diffImages, type FileChange, type ImageDifference } from "../../../image/inspect/diff.ts";
import { type Command, required } from "../../terminal/command.ts";

const size = (bytes: number) =>
  bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
/** Nobody reads more on a terminal; `--all` and `--json` print all. */
const shownFiles = 40;

export const imageDiff: Command = {
  usage: "image diff <a> <b> [--json]",
  summary: "show what changed between two images in packages, files and bytes",
  example: "hamlet image diff hamlet-nuc-0.1.0.img hamlet-nuc-0.2.0.img",
  details: `
Reads both images without mounting them and without root. A block is 4 KiB. The size of an update is that of the blocks of
<b> that a device on <a> lacks, packed; with deltas a release may send less.`,
  options: {
    all: { type: "boolean", describe: "list every file that changed" },
    json: { type: "boolean", describe: "print it as JSON" },
  },
  async run(input, { print, progress }) {
    const [before, after] = [
      required(imageDiff, input, 0, "the first image"),
      required(imageDiff, input, 1, "the second"),
    ];
    const difference = await diffImages(before, after, progress);
    progress.end();
    if (input.values["json"]) print(JSON.stringify(difference));
    else for (const line of linesOf(difference, input.values["all"] === true)) print(line);
    return 0;
  },
};

export function linesOf(difference: ImageDifference, isWhole: boolean): string[] {
  const { before, after, packages, files, uncompared, partitions, update } = difference;
  if (difference.isSame) return ["no difference"];
  const shown = isWhole ? files : files.slice(0, shownFiles);
  return [
    `${before.board} ${before.version} -> ${after.board} ${after.version}`,
    packages ? `packages: ${packages.length} changed` : "packages: not listed in both images",
    ...(packages ?? []).map(({ name, before: was, after: is }) => `  ${name} ${was ?? "(none)"} -> ${is ?? "(none)"}`),
    `files: ${files.length} changed${uncompared > 0 ? `, ${uncompared} compressed ones of equal size not compared` : ""}`,
    ...shown.map(fileLine),
    ...(shown.length < files.length ? [`  and ${files.length - shown.length} more (--all)`] : []),
    "bytes:",
    ...partitions.map(({ label, blocks, changedBlocks }) => {
      const changed = changedBlocks === 0 ? "same" : `${size(changedBlocks * 4096)} of ${size(blocks * 4096)} differ`;
      return `  ${label.padEnd(10)} ${changed}`;
    }),
    `update: ${size(update.newBytes)} in blocks that ${before.version} lacks, about ${size(update.packedBytes)} packed`,
  ];
}

function fileLine({ path, beforeBytes, afterBytes }: FileChange): string {
  if (beforeBytes === undefined) return `  + ${path} (${afterBytes})`;
  if (afterBytes === undefined) return `  - ${path} (${beforeBytes})`;
  return `  ~ ${path} (${beforeBytes === afterBytes ? afterBytes : `${beforeBytes} -> ${afterBytes}`})`;
}
