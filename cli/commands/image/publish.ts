// `image publish <folder|image>`: prepares images for download, with the list that Raspberry Pi Imager shows.
import { readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { publishImages } from "../../../image/publish/publish.ts";
import { run } from "../../../system/command.ts";
import { HamletError } from "../../../system/error.ts";
import { type Command, required, text, usageError, type Values } from "../../terminal/command.ts";
import { catchStop } from "../../terminal/stop.ts";

export const imagePublish: Command = {
  usage: "image publish <folder|image> [-o <folder>]",
  summary: "prepare images for download, with checksums and a list for Raspberry Pi Imager",
  example: "hamlet image publish out/ --url https://example.org/hamlet/ --sign-key ~/.ssh/id_ed25519",
  details: `
Writes .img.xz, .img.bmap, SHA256SUMS, images.json and os_list.json, beside the images or into -o. It names an image's files
by board and version, whatever the image is called. Put the folder on any web server; people then start:
rpi-imager --repo <url>/os_list.json. Imager may set hostname, Wi-Fi and SSH key. A second run does only what is new.
Refuses provisioned images and copies of used cards, because they hold a secret.
To check the files, put "you <your public key>" into a file and type: ssh-keygen -Y verify -f <file> -I you -n file
-s SHA256SUMS.sig < SHA256SUMS, then: sha256sum --check --ignore-missing SHA256SUMS.`,
  options: {
    out: {
      type: "string",
      short: "o",
      argument: "folder",
      describe: "folder to write to (default: beside the images)",
    },
    url: {
      type: "string",
      argument: "url",
      describe: "URL of the published folder (default: file:, for this computer)",
    },
    website: { type: "string", argument: "url", describe: "a page about the images, which Imager links to" },
    "sign-key": { type: "string", argument: "file", describe: "your SSH key, which signs SHA256SUMS" },
    replace: { type: "boolean", describe: "replace a published version that has other content" },
    json: { type: "boolean", describe: "print the result as JSON" },
  },
  async run(input, { print, note, progress }) {
    const { values } = input;
    const source = required(imagePublish, input, 0, "the folder with images, or an image");
    const paths = await imagesIn(source);
    const folder = resolve(text(values, "out") ?? (paths[0] === source ? dirname(source) : source));
    const options = {
      url: readUrl(values, "url", /^(https?|file):$/) ?? `${pathToFileURL(folder).href}/`,
      website: readUrl(values, "website", /^https?:$/)?.replace(/\/$/, ""),
      signKey: text(values, "sign-key"),
      isReplacing: values["replace"] === true,
    };
    const { signal, exitCode } = catchStop();
    try {
      const { images, fresh, isSigned } = await publishImages(paths, folder, options, { run, signal, progress });
      const list = new URL("os_list.json", options.url).href;
      if (values["json"]) {
        print(JSON.stringify({ folder, list, images, fresh, isSigned }));
        return 0;
      }
      for (const { board, version, file, downloadBytes } of images) {
        const what = `${board} ${version}`.padEnd(20);
        print(`${what} ${file}  ${(downloadBytes / 1e6).toFixed(0)} MB${fresh.includes(board) ? "" : "  (unchanged)"}`);
      }
      print(`rpi-imager --repo ${list}`);
      if (!isSigned) note("SHA256SUMS is not signed: give --sign-key <file>");
      if (text(values, "url") === undefined)
        note("os_list.json names files on this computer: give --url if others will use it");
    } catch (error) {
      const isHalf = error instanceof HamletError && error.code === "publish.unfinished";
      if (!signal.aborted || isHalf) throw error;
      progress.end();
      note("stopped: what was published before is unchanged");
      return exitCode();
    }
    return 0;
  },
};

async function imagesIn(source: string): Promise<string[]> {
  const facts = await stat(source);
  if (!facts.isDirectory()) return [source];
  const names = (await readdir(source)).filter((name) => /^[^.].*\.img$/s.test(name)).sort();
  if (names.length > 0) return names.map((name) => join(source, name));
  throw new HamletError("image.notOurs", `there is no image (.img) in ${source}`, {
    hint: "build one: hamlet image build --board <board> -o <folder>",
  });
}

function readUrl(values: Values, name: string, protocol: RegExp): string | undefined {
  const value = text(values, name);
  if (value === undefined) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !protocol.test(url.protocol))
    throw usageError(
      imagePublish,
      `--${name} '${value}' is not a URL of ${name === "url" ? "http, https or file" : "http or https"}`,
    );
  if (url.search || url.hash)
    throw usageError(imagePublish, `--${name} must end with a folder, not with '${url.search}${url.hash}'`);
  return url.href.endsWith("/") ? url.href : `${url.href}/`;
}
