// `image lock`: locks later builds to the newest packages and this computer's tools.
import { boardNamed, boardNames } from "../../../image/boards.ts";
import { mirrorSources, mirrorState } from "../../../image/bundle/debian/mirror-state.ts";
import { resolveLock } from "../../../image/bundle/debian/newest.ts";
import { describeDifference, diffLocks, lockPath, readLock } from "../../../image/bundle/lock/lock.ts";
import { run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { writeJson } from "../../../system/files.ts";
import { isBuilt, packageFolder } from "../../../system/package.ts";
import { type Command, text } from "../../terminal/command.ts";

export const imageLock: Command = {
  usage: "image lock [--board <board>] [--dry-run]",
  summary: "lock images to the newest packages and to this computer's tools",
  example: "hamlet image lock --dry-run",
  details: `
Prints what changes. Commit the locks that it writes to image/bundle/lock: then every computer builds the same bytes.
Boards of one architecture share a lock. It installs nothing and runs no program from a package.`,
  options: {
    board: {
      type: "string",
      argument: "board",
      choices: boardNames,
      describe: "lock only this board's architecture (default: all)",
    },
    "dry-run": { type: "boolean", describe: "write nothing" },
    json: { type: "boolean", describe: "print the difference as JSON" },
  },
  async run({ values }, { print, progress }) {
    if (isBuilt) {
      throw new HamletError("build.failed", "an installed package cannot change its lock", {
        hint: "run this in a checkout of the project: npx hamlet image lock",
      });
    }
    const named = text(values, "board");
    const boards = named === undefined ? boardNames.map(boardNamed) : [boardNamed(named)];
    const ofArchitecture = new Map(boards.map((board) => [board.debianArchitecture, board]));
    progress.stage("asking the Debian mirror");
    const state = await mirrorState(await mirrorSources(run), run);
    const changed = [];
    for (const [architecture, board] of ofArchitecture) {
      progress.stage(`finding the packages for ${architecture}`);
      const lock = await resolveLock(board, packageFolder, state, run);
      const before = await readLock(packageFolder, architecture).catch(() => undefined);
      const differences = diffLocks(before ?? { ...lock, installed: {}, unpacked: {}, tools: {} }, lock);
      changed.push({ architecture, path: lockPath(packageFolder, architecture), differences });
      if (values["dry-run"] !== true) await writeJson(lockPath(packageFolder, architecture), lock, { mode: 0o644 });
    }
    progress.end();
    if (values["json"]) {
      print(JSON.stringify(changed));
      return 0;
    }
    for (const { architecture, differences } of changed) {
      print(differences.length === 0 ? `${architecture}: nothing newer` : `${architecture}:`);
      for (const one of differences) print(`  ${describeDifference(one)}`);
    }
    return 0;
  },
};
