// `image inspect <image>`: shows what an image contains, without mounting it.
import { access } from "node:fs/promises";
import { basename } from "node:path";
import { sbomBeside } from "../../../image/assemble/assemble.ts";
import { describeDifference } from "../../../image/bundle/lock/lock.ts";
import { type Component, licenceNames, type Sbom, sbomPath } from "../../../image/bundle/sbom/sbom.ts";
import { type Contents, withContents } from "../../../image/inspect/contents.ts";
import { type ImageFacts, inspectImage } from "../../../image/inspect/inspect.ts";
import { releaseRootFacts } from "../../../provisioning/file/update-source.ts";
import { type Command, required } from "../../terminal/command.ts";

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export const imageInspect: Command = {
  usage: "image inspect <image> [--licences] [--json]",
  summary: "show board, version, packages, partitions and sizes of an image",
  example: "hamlet image inspect out/hamlet-nuc-0.1.0.img --licences",
  options: {
    licences: { type: "boolean", describe: "list every package with its version and licences" },
    sbom: {
      type: "boolean",
      excludes: ["licences"],
      describe: "print only the bill of materials (CycloneDX) inside the image",
    },
    json: { type: "boolean", describe: "print it as JSON" },
  },
  async run(input, { print, note }) {
    const path = required(imageInspect, input, 0, "the image");
    const image = await inspectImage(path);
    const { sbom, update } = await withContents(path, image.partitions, async (contents) => contents);
    if (input.values["sbom"]) {
      if (!sbom) note(`${path} has no bill of materials inside`);
      else print(...sbom.text.trimEnd().split(/\r?\n/));
      return sbom ? 0 : 1;
    }
    const hasBeside = await access(sbomBeside(path)).then(
      () => true,
      () => false,
    );
    const beside = hasBeside ? sbomBeside(path) : undefined;
    const rows = (sbom?.components ?? []).map((one) => ({ ...rowOf(one), licences: licenceNames(one) }));
    const withLicences = input.values["licences"] === true;
    if (input.values["json"]) {
      const made = sbom && {
        packages: { ...countsOf(sbom), node: nodeOf(sbom) },
        tools: toolsOf(sbom),
        sbom: { inside: sbomPath, beside },
      };
      print(
        JSON.stringify({
          ...image,
          isRelocked: image.relocked !== undefined,
          ...made,
          ...(update && {
            update: { repositories: update.repositories, releaseRoot: releaseRootFacts(update.releaseRoot) },
          }),
          ...(withLicences && { licences: rows }),
        }),
      );
      return 0;
    }
    for (const line of [...linesOf(image), ...updateOf(update), ...madeOf(sbom, beside), ...partsOf(image)])
      print(line);
    if (!withLicences) return 0;
    print("licences");
    for (const { name, version, licences } of rows)
      print(`  ${name} ${version}: ${licences.join("; ") || "not stated"}`);
    return 0;
  },
};

const rowOf = ({ name, version }: Component) => ({ name, version });

function linesOf(image: ImageFacts): string[] {
  const { relocked = [] } = image;
  return [
    `board        ${image.board}`,
    `version      ${image.version}`,
    `packages of  ${new Date(image.builtS * 1000).toISOString().slice(0, 10)}`,
    `as locked    ${relocked.length === 0 ? "yes" : "no: relocked"}`,
    ...relocked.map((one) => `  ${describeDifference(one)}`),
    `root hash    ${image.rootHash}`,
    `provisioned  ${image.isProvisioned ? "yes: this file holds a live secret" : "no"}`,
    `boot entries ${image.entries.join(", ")}`,
  ];
}

function updateOf(update: Contents["update"]): string[] {
  if (!update) return ["updates      none: the image names no repository"];
  const { version, threshold, keyCount, keys } = releaseRootFacts(update.releaseRoot);
  return [
    ...update.repositories.map((url, index) => `${index === 0 ? "updates" : ""}`.padEnd(13) + url),
    `release root version ${version}, ${threshold} of ${keyCount} keys, digest ${keys}`,
  ];
}

function madeOf(sbom: Sbom | undefined, beside: string | undefined): string[] {
  if (!sbom) return ["packages     unknown: no bill of materials inside"];
  const { debian, nix, npm, own } = countsOf(sbom);
  const system = nix > 0 ? `${nix} of Nix` : `${debian} of Debian`;
  const tools = Object.entries(toolsOf(sbom)).map((words) => words.join(" "));
  const node = nodeOf(sbom);
  return [
    `packages     ${system}, ${npm} of npm, ${own} of Hamlet${node && `, Node ${node}`}`,
    ...(tools.length > 0 ? [`made with    ${tools.join(", ")}`] : []),
    `sbom         ${sbomPath} inside${beside === undefined ? "" : `, ${basename(beside)} beside it`}`,
  ];
}

function partsOf(image: ImageFacts): string[] {
  return [
    "partitions",
    ...image.partitions.map(
      ({ label, firstByte, sizeBytes }) => `  ${label.padEnd(10)} ${mib(sizeBytes).padStart(12)} at ${mib(firstByte)}`,
    ),
    "root filesystem by origin",
    ...Object.entries(image.parts).map(([name, bytes]) => `  ${name.padEnd(10)} ${mib(bytes).padStart(12)}`),
  ];
}

function countsOf({ components }: Sbom): { debian: number; nix: number; npm: number; own: number } {
  const count = (test: (one: Component) => boolean | undefined) => components.filter(test).length;
  return {
    debian: count(({ purl }) => purl?.startsWith("pkg:deb/")),
    nix: count(({ purl }) => purl?.startsWith("pkg:nix/")),
    npm: count(({ purl, type }) => purl?.startsWith("pkg:npm/") && type !== "platform"),
    own: count(({ type }) => type === "application"),
  };
}

const nodeOf = ({ components }: Sbom) => components.find(({ type }) => type === "platform")?.version ?? "";
const toolsOf = ({ metadata }: Sbom): Record<string, string> =>
  Object.fromEntries((metadata.tools?.components ?? []).map(({ name, version }) => [name, version]));
