// `token create [--neighborhood <folder>] [-o <file>]`: makes a join token for several devices, or for someone else to use.
import { stat } from "node:fs/promises";
import { issueToken } from "../../../provisioning/neighborhood/issue-token.ts";
import { openNeighborhood, readNeighborhood } from "../../../provisioning/neighborhood/neighborhood.ts";
import { parseDuration, TokenCertificate } from "../../../provisioning/trust/token.ts";
import { systemClock } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import { writeJson } from "../../../system/files.ts";
import { type Command, text, usageError, type Values } from "../../terminal/command.ts";
import { askPassphrase, passphraseOptions } from "./passphrase.ts";

export const tokenCreate: Command = {
  usage: "token create [--neighborhood <folder>] [-o <file>]",
  summary: "make a join token: anyone who has it can add devices until it expires",
  example: "hamlet token create --neighborhood elm-street --expires 7d --max-devices 10 -o token.json",
  details: `
Expiry and maximum limit which devices can join; members stay. The file is a secret: give it only to people
whom you would give a device, and delete it after use.`,
  options: {
    neighborhood: {
      type: "string",
      argument: "folder",
      default: ".",
      describe: "the folder that hamlet init made",
    },
    out: { type: "string", short: "o", argument: "file", describe: "file for the token (default token-<id>.json)" },
    expires: {
      type: "string",
      argument: "7d",
      default: "7d",
      describe: "days, hours or minutes from now: 7d, 12h, 30m",
    },
    "max-devices": { type: "string", argument: "n", default: "10", describe: "how many devices it admits" },
    tag: {
      type: "string",
      multiple: true,
      argument: "tag",
      describe: "a tag for devices that join with it; may be repeated",
    },
    adopt: {
      type: "string",
      argument: "auto|confirm",
      default: "auto",
      describe: "confirm: a device with this token waits until hamlet adopt lets it in",
    },
    json: { type: "boolean", describe: "print the result as JSON, without the secret" },
    ...passphraseOptions,
  },
  async run({ values }, { print, note }) {
    const folder = text(values, "neighborhood") ?? ".";
    const terms = readTerms(values);
    const wanted = text(values, "out");
    if (wanted !== undefined) await refuseExisting(wanted);
    await readNeighborhood(folder); // before the passphrase is asked for
    const neighborhood = await openNeighborhood(folder, await askPassphrase(values));
    const { file, certificate } = await issueToken(neighborhood, { ...terms, now: systemClock.now() });
    const out = wanted ?? `token-${certificate.id}.json`;
    await writeJson(out, file);

    const { id, maxDevices, tags, adopt } = certificate;
    const expires = new Date(certificate.notAfter).toISOString();
    if (values["json"]) print(JSON.stringify({ id, file: out, expires, maxDevices, tags, adopt }));
    else print(`token ${id} in ${out}: up to ${maxDevices} devices until ${expires}`);
    note(`${out} is a secret: anyone who has it can add devices to ${neighborhood.file.name}`);
    return 0;
  },
};

/** Overwrites nothing, because it may be the root key. */
async function refuseExisting(path: string): Promise<void> {
  const facts = await stat(path).catch(() => undefined);
  if (!facts) return;
  if (facts.isDirectory()) throw usageError(tokenCreate, `-o ${path} is a folder: name the file`);
  throw new HamletError("file.exists", `${path} already exists and is not overwritten`, {
    hint: "name another file with -o, or remove this one first",
    exitCode: 3,
  });
}

function readTerms(values: Values): { validMs: number; maxDevices: number; tags: string[]; adopt: "auto" | "confirm" } {
  const validMs = parseDuration(text(values, "expires") ?? "");
  if (validMs === undefined) throw usageError(tokenCreate, "--expires must be a number with d, h or m, such as 7d");
  const { maxDevices, tags, adopt } = TokenCertificate.shape;
  const parsed = {
    maxDevices: maxDevices.safeParse(Number(text(values, "max-devices"))),
    tags: tags.safeParse(values["tag"] ?? []),
    adopt: adopt.safeParse(text(values, "adopt")),
  };
  if (!parsed.maxDevices.success) throw usageError(tokenCreate, "--max-devices must be a whole number from 1 to 10000");
  if (!parsed.tags.success)
    throw usageError(tokenCreate, "a --tag has a-z, 0-9, . _ -, at most 32 characters; at most 8 tags");
  if (!parsed.adopt.success) throw usageError(tokenCreate, "--adopt must be auto or confirm");
  return { validMs, maxDevices: parsed.maxDevices.data, tags: parsed.tags.data, adopt: parsed.adopt.data };
}
