// `provision <image|folder> --neighborhood <folder> --name attic`: makes an image a device of a neighborhood.
import { AgentConfig, fixedIn } from "../../../agent/config.ts";
import { isSeed } from "../../../agent/discovery/seeds.ts";
import { boardNames } from "../../../image/boards.ts";
import { findProvisionBlock, provisionImage, readProvisionBlock } from "../../../image/card/provision.ts";
import { verifyProvision } from "../../../provisioning/file/provision.ts";
import {
  encodeProvisionFile,
  maxSshKeys,
  type ProvisionFile,
  provisionFileIn,
  requireBoard,
} from "../../../provisioning/file/provision-file.ts";
import { readSshKeys } from "../../../provisioning/file/ssh-key-file.ts";
import {
  defaultValidMs,
  issueToken,
  readTokenFile,
  type TokenFile,
} from "../../../provisioning/neighborhood/issue-token.ts";
import { openNeighborhood, readNeighborhood } from "../../../provisioning/neighborhood/neighborhood.ts";
import { DeviceSettings, planProvision, reusableToken } from "../../../provisioning/neighborhood/provision-device.ts";
import { systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { explainIssues } from "../../../system/files.ts";
import { readBytes, readJsonFile } from "../../../system/json-file.ts";
import { type Command, type Context, required, text, usageError, type Values } from "../../terminal/command.ts";
import { readUpdateSettings, updateOptions } from "../image/update-options.ts";
import { askPassphrase, passphraseOptions } from "../neighborhood/passphrase.ts";
import { provisionCopy, refuseOther } from "./provision-copy.ts";
import { addressLine, byFlag, linkOf, networkNotes, networkOptions, readNetwork } from "./provision-network.ts";

export const provision: Command = {
  usage: "provision <image|folder> [-o <copy>] --neighborhood <folder> --name <name>",
  summary: "turn an image, or a card's mounted folder, into a device of your neighborhood",
  example: "hamlet provision hamlet-nuc.img --neighborhood elm-street --name attic --ssh-key ~/.ssh/id_ed25519.pub",
  details: `
Writes one file of 64 KiB in place; needs no root and takes no longer for a larger image. Without --token it makes
a token for one device, valid for 7 days. A provisioned image holds that secret until the device has read it.
With -o the image stays as it was built, and a copy of it, with the same holes, becomes the device.
--repository and --release-root replace those of the image. An image of a release before 0.2 refuses a file with one of them or --timezone.`,
  options: {
    out: {
      type: "string",
      short: "o",
      argument: "copy",
      describe: "leave the image as it is and provision a copy of it",
    },
    force: {
      type: "boolean",
      describe: "replace the settings of another neighborhood, or of another device in the copy",
    },
    neighborhood: { type: "string", argument: "folder", describe: "the folder that hamlet init made" },
    token: { type: "string", argument: "file", describe: "a token from hamlet token create; needs no passphrase" },
    name: { type: "string", argument: "name", describe: "what people call the device: a-z, 0-9 and -" },
    board: {
      type: "string",
      argument: "board",
      choices: boardNames,
      describe: "refuse any other board (default: the image's own)",
    },
    "ssh-key": {
      type: "string",
      multiple: true,
      argument: "file",
      describe: "public key that may log in; may be repeated",
    },
    ...networkOptions,
    timezone: {
      type: "string",
      argument: "Europe/Berlin",
      describe: "time zone by which the device knows its night (default: none, and hours are those of UTC)",
    },
    seed: {
      type: "string",
      multiple: true,
      argument: "host:port",
      describe: "a neighbor beyond the link; may be repeated",
    },
    ...updateOptions,
    config: { type: "string", argument: "file", describe: "JSON file that overrides settings of the agent" },
    json: { type: "boolean", describe: "print the result as JSON" },
    ...passphraseOptions,
  },
  async run(input, { print, note, progress }) {
    const source = required(provision, input, 0, "the image or folder");
    const { values } = input;
    const copy = text(values, "out");
    const settings = await readSettings(values, note);
    const { image, path } = await findProvisionBlock(source);
    requireBoard(settings, image.board);
    if (copy !== undefined && path !== source) throw usageError(provision, "-o copies an image, not a folder");
    const isCopyThere = copy !== undefined && (await refuseOther(source, copy)).isThere;
    const target = copy ?? source;
    const current = copy === undefined || isCopyThere ? provisionFileIn(await readProvisionBlock(target)) : undefined;
    const { token, isNew } = await chooseToken(values, current, settings.name);

    const file = planProvision(token, { ...settings, board: image.board });
    const { id, notAfter, maxDevices } = (await verifyProvision(file)).token;
    if (values["force"] !== true) {
      refuseOtherNeighborhood(current, file, target);
      if (isCopyThere) refuseOtherDevice(current, file, target);
    }
    const block = encodeProvisionFile(file);
    const { board, offset } =
      copy === undefined || isCopyThere
        ? await provisionImage(target, block)
        : await provisionCopy(source, copy, block, progress);

    const expires = new Date(notAfter).toISOString();
    const { neighborhood, name } = file;
    const address = file.network?.staticAddress;
    if (values["json"]) {
      const about = { id: neighborhood.id, name: neighborhood.name };
      const on = address && { address: { on: linkOf(address), ...address } };
      const result = { target, offset, board, name, neighborhood: about, ...on };
      print(JSON.stringify({ ...result, token: { id, expires, maxDevices, isNew }, holdsSecret: true }));
    } else {
      print(`${target} is now ${name ?? "a device"} of ${neighborhood.name} (${board})`);
      if (address) print(addressLine(address));
      print(`token ${id}: ${maxDevices === 1 ? "one device" : `up to ${maxDevices} devices`} until ${expires}`);
    }
    for (const line of networkNotes(file.network ?? {})) note(line);
    note(
      `${target} now holds a live secret: anyone who has it can join ${neighborhood.name}. Delete it once it is on the card`,
    );
    return 0;
  },
};

/** Throws `provision.otherNeighborhood`, because the token in `current` would be lost. */
function refuseOtherNeighborhood(current: ProvisionFile | undefined, file: ProvisionFile, target: string): void {
  const other = current?.neighborhood;
  if (other === undefined || other.id === file.neighborhood.id) return;
  throw new HamletError("provision.otherNeighborhood", `${target} is already provisioned for ${other.name}`, {
    hint: `check that it is the right one; --force moves it to ${file.neighborhood.name}`,
    exitCode: 3,
  });
}

/** Throws `provision.otherDevice`: it is easy to name the copy of another device by mistake, and its token would be lost. */
function refuseOtherDevice(current: ProvisionFile | undefined, file: ProvisionFile, target: string): void {
  const other = current?.name;
  if (other === undefined || other === file.name) return;
  throw new HamletError("provision.otherDevice", `${target} is already ${other} of ${file.neighborhood.name}`, {
    hint: `name another file with -o; --force makes it ${file.name ?? "a device without a name"}`,
    exitCode: 3,
  });
}

async function chooseToken(
  values: Values,
  current: ProvisionFile | undefined,
  name: string | undefined,
): Promise<{ token: TokenFile; isNew: boolean }> {
  const folder = text(values, "neighborhood");
  const tokenPath = text(values, "token");
  if (tokenPath !== undefined) {
    const token = await readTokenFile(tokenPath);
    if (folder !== undefined && (await readNeighborhood(folder)).keys.id !== token.neighborhood.id) {
      throw new HamletError(
        "usage.invalid",
        `${tokenPath} is a token of ${token.neighborhood.name}, but ${folder} is another neighborhood`,
        {
          exitCode: 2,
        },
      );
    }
    return { token, isNew: false };
  }
  if (folder === undefined) throw usageError(provision, "--neighborhood or --token is missing");
  const neighborhood = await readNeighborhood(folder);
  const now = systemClock.now();
  const kept = await reusableToken(current, neighborhood, name, now);
  if (kept) return { token: kept, isNew: false };
  const opened = await openNeighborhood(folder, await askPassphrase(values));
  const terms = { validMs: defaultValidMs, maxDevices: 1, tags: [], adopt: "auto" as const, now };
  return { token: (await issueToken(opened, terms)).file, isNew: true };
}

async function readSettings(values: Values, note: Context["note"]): Promise<DeviceSettings> {
  const list = (name: string): string[] | undefined => (Array.isArray(values[name]) ? values[name] : undefined);
  const sshKeys = await readKeyFiles(list("ssh-key") ?? [], note);
  const configPath = text(values, "config");
  const config = configPath === undefined ? undefined : await readAgentConfig(configPath);
  const network = await readNetwork(provision, values);
  const update = await readUpdateSettings(provision, values);
  const [name, board, seeds] = [text(values, "name"), text(values, "board"), list("seed")];
  refuseSeeds(seeds ?? [], "--seed");
  const timezone = text(values, "timezone");
  const settings = DeviceSettings.safeParse({
    name,
    board,
    network,
    timezone,
    seeds,
    config,
    update,
    ...(sshKeys.length > 0 && { sshKeys }),
  });
  if (!settings.success) throw usageError(provision, byFlag(explainIssues(settings.error)));
  return settings.data;
}

async function readKeyFiles(paths: string[], note: Context["note"]): Promise<string[]> {
  const keys = new Set<string>();
  for (const path of paths) {
    const found = readSshKeys(await readBytes(path), path);
    if ("trouble" in found) {
      throw new HamletError("usage.invalid", `${path} ${found.trouble}`, { hint: found.hint, exitCode: 2 });
    }
    for (const key of found.keys) keys.add(key);
    for (const line of found.notes) note(`skipped: ${line}`);
  }
  if (keys.size <= maxSshKeys) return [...keys];
  throw usageError(provision, `${keys.size} SSH keys are given, but at most ${maxSshKeys} are allowed`);
}

/** The device would pass over such a seed, and meet nobody. The schemas let it pass: they also read what devices have kept. */
function refuseSeeds(seeds: readonly string[], where: string): void {
  const bad = seeds.find((seed) => !isSeed(seed));
  if (bad !== undefined)
    throw usageError(
      provision,
      `${where}: '${bad}' is not host:port, with an address or a name and a port up to 65535`,
    );
}

/** Checks the agent's settings here, because nobody would see an error on the device. */
async function readAgentConfig(path: string): Promise<unknown> {
  const config = await readJsonFile(path, { isUnique: true });
  if (config === undefined)
    throw new HamletError("file.unreadable", `${path} does not exist`, { hint: "check the path" });
  const parsed = AgentConfig.safeParse(config);
  if (!parsed.success) throw usageError(provision, `${path}: ${explainIssues(parsed.error)}`);
  refuseSeeds(parsed.data.seeds, `${path}: seeds`);
  const idle = fixedIn(config);
  if (idle.length > 0) {
    const by = idle.includes("name") ? ": give --name; the rest is set by the image" : ": the image sets it";
    throw usageError(provision, `${path}: a card cannot set ${idle.join(", ")}${by}`);
  }
  return config;
}
