// `ota publish <image>...`: publishes images as releases, for devices to fetch.
import { Version } from "../../../image/bundle/version.ts";
import { documentsOf, expiryOf } from "../../../ota/repository/expiry.ts";
import { type PublishedRelease, publishImages } from "../../../ota/repository/publish.ts";
import { systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { again } from "../../terminal/again.ts";
import { type Command, required, text, usageError, type Values } from "../../terminal/command.ts";
import { catchStop } from "../../terminal/stop.ts";
import { labDevices } from "../lab/lab.ts";
import { describePolicy, readPolicy } from "../rollout/terms.ts";
import { publishRunning } from "./lab-releases.ts";
import { noteLacking, open, openOptions } from "./repository.ts";

export const otaPublish: Command = {
  usage: "ota publish <image>... --folder <folder>",
  summary: "publish images as releases that devices fetch as updates",
  example: "hamlet ota publish out/*.img --folder ota/",
  details: `
Takes images as hamlet image build made them with --release-root of this repository. Writes chunks, recipes and manifests, then
the signed metadata; a device sees the old state or the new one. Prints how many bytes a device fetches, by the release it has.
With --rollout auto the manifest says, signed, how a neighborhood that has no operator takes the release by itself: one device after the
other, in waves, at night. A device that nobody has told its time zone does not know the night, and restarts at any hour. An operator's
order takes the place of it, and a newer release published without --rollout ends it.
While a lab runs, what its devices run is published first, so that they fetch differences to it.
A version must sort after the last one as the boot loader sorts: 0.2.0~rc1 comes before 0.2.0, 0.2.0-rc1 after it.
Copy the folder repository/ to the web server afterwards, timestamp.json last: rsync -a --exclude timestamp.json, then the rest.
If a key is elsewhere, devices see nothing yet: copy the folder to the computer that has the key and type hamlet ota sign there.`,
  options: {
    ...openOptions,
    "install-from": {
      type: "string",
      argument: "version",
      describe: "the oldest release that may install it: older devices need one in between (default: any)",
    },
    rollout: {
      type: "string",
      argument: "auto",
      describe: "homes without an operator take it by themselves (default: they wait until somebody asks)",
    },
    waves: {
      type: "string",
      argument: "list",
      describe: "with --rollout: one device first, then shares of all (default: canary,100%)",
    },
    soak: {
      type: "string",
      argument: "12h",
      describe: "with --rollout: how long a wave must have been well (default: 12h)",
    },
    success: {
      type: "string",
      argument: "95%",
      describe: "with --rollout: pause when fewer of a wave succeed (default: 95%)",
    },
    "max-failures": {
      type: "string",
      argument: "n",
      describe: "with --rollout: pause at this failure, whatever the share (default: 1)",
    },
    window: {
      type: "string",
      argument: "02:00-05:00",
      describe:
        "with --rollout: restart only at these times by the device's own time zone; none: at any (default: 02:00-05:00)",
    },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  async run(input, { print, note, progress }) {
    const { values, positionals } = input;
    required(otaPublish, input, 0, "the image");
    const rollout = readPolicy(otaPublish, values);
    const repository = await open(otaPublish, values);
    const now = systemClock.now();
    const { signal, exitCode } = catchStop();
    try {
      const work = { now, progress, signal };
      const options = { ...work, installFrom: readInstallFrom(values), rollout };
      const running = text(values, "folder") === undefined ? (await labDevices()).map(({ image }) => image) : [];
      for (const { board, version } of await publishRunning(repository, new Set(running), positionals, work)) {
        note(
          `published ${board} ${version} first: the lab's devices run it, and now fetch only what has changed since`,
        );
      }
      const { releases, lacking } = await publishImages(repository, positionals, options);
      if (values["json"]) {
        print(JSON.stringify({ releases, ...(rollout && { rollout }), lacking }));
        return 0;
      }
      for (const release of releases) print(...describe(release));
      if (rollout) print(`homes without an operator take it by themselves: ${describePolicy(rollout)}`);
      noteLacking(lacking, values, note);
      for (const { board, version, manifestSha256 } of lacking.length > 0 ? releases : [])
        note(`for whoever signs it: the manifest of ${board} ${version} has the sha256 ${manifestSha256}`);
      for (const { version } of releases) {
        if (version.includes("-")) note(`${version} sorts after ${version.split("-")[0]}; a pre-release has a ~`);
      }
      const due = [...documentsOf(repository.current)].filter(
        ([role, one]) => expiryOf(role, one, now).state !== "fresh",
      );
      if (due.length > 0)
        note(`time to sign ${due.map(([role]) => role).join(", ")}: ${again("hamlet ota sign", values)}`);
      return 0;
    } catch (error) {
      if (!signal.aborted || error instanceof HamletError) throw error;
      progress.end();
      note("stopped: devices see what was published before");
      return exitCode();
    }
  },
};

function readInstallFrom(values: Values): string | undefined {
  const version = text(values, "install-from");
  if (version === undefined || Version.safeParse(version).success) return version;
  throw usageError(otaPublish, `--install-from '${version}' is not a version`);
}

function describe({ board, version, updates }: PublishedRelease): string[] {
  const sizes = updates.map(({ from, bytes }) => `  from ${from ?? "any other"}: ${megabytes(bytes)} MB`);
  return [`published ${board} ${version}`, ...sizes];
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0);
