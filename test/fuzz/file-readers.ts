// Readers of untrusted files and texts: maps, JSON, YAML, programs, device trees, the output of tools.
import { createHash } from "node:crypto";
import { drivesTable } from "../../cli/commands/card/drives.ts";
import { isDataAsMade } from "../../image/assemble/data-volume.ts";
import { parseImageJson } from "../../image/assemble/image-json.ts";
import { appendSections, findSections } from "../../image/assemble/uki.ts";
import { piKernelOf } from "../../image/boards.ts";
import { autobootBytes, autobootSector, defaultSlot } from "../../image/boot/rpi/autoboot.ts";
import { configTxt } from "../../image/boot/rpi/config.ts";
import { BundleJson } from "../../image/bundle/bundle.ts";
import { parsePackages } from "../../image/bundle/debian/resolve.ts";
import { licencesOf } from "../../image/bundle/sbom/licences.ts";
import { licenceNames, Sbom } from "../../image/bundle/sbom/sbom.ts";
import { bmapText, parseBmap } from "../../image/disk/bmap.ts";
import { readerOf } from "../../image/disk/read-at.ts";
import { readDrives } from "../../image/flash/drives.ts";
import { regionsOf } from "../../image/flash/head.ts";
import { usedBytes } from "../../image/flash/needed.ts";
import { readSettings } from "../../image/lab/firmware/config.ts";
import { readFdt, setProperty, writeFdt } from "../../image/lab/firmware/fdt.ts";
import { osListText } from "../../image/publish/os-list.ts";
import { PublishedImages, sumsText, withPublished } from "../../image/publish/published.ts";
import { readImagerFiles } from "../../provisioning/file/imager.ts";
import { decodeProvisionFile } from "../../provisioning/file/provision-file.ts";
import { parseSshKey } from "../../provisioning/file/ssh-key.ts";
import { readUnverified } from "../../provisioning/trust/jws.ts";
import { foundedBy } from "../../provisioning/trust/neighborhood-keys.ts";
import { TokenCertificate, verifyToken } from "../../provisioning/trust/token.ts";
import { describeError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import { parseJsonBytes } from "../../system/json-file.ts";
import { printable } from "../../system/printable.ts";
import { makeStub } from "../image/assemble/stub.ts";
import { imageFacts } from "../image/disk/disk.ts";
import { laptop } from "../image/flash/computers.ts";
import { rpi, smallTree } from "../image/lab/firmware/board.ts";
import { imagerFiles } from "../provisioning/firstboot/imager-card.ts";
import { makeStreet, makeToken } from "../street.ts";
import { memoryFile } from "./meter.ts";
import { mutateDisk, mutateText } from "./mutate.ts";
import type { Reader } from "./reader.ts";

const digest = "ab".repeat(32);
const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 me@home";

const text = (
  name: string,
  inputs: number,
  samples: () => Promise<string[]>,
  read: (text: string) => unknown,
): Reader => ({
  ...{ name, inputs },
  samples: async () => (await samples()).map((one) => Buffer.from(one)),
  change: mutateText,
  read: async (input) => await read(input.toString("utf8")),
});

const bmap: Reader = {
  name: "bmap",
  inputs: 2500,
  samples: async () => {
    const ranges = Array.from({ length: 40 }, (_, index) => ({ offset: index * 8192, length: 4096, sha256: digest }));
    return [Buffer.from(bmapText({ imageBytes: 1 << 20, ranges }))];
  },
  change: (sample, random) => withSum(mutateText(sample, random).toString("latin1")),
  read: async (input) => parseBmap(input.toString("utf8"), "map"),
};

/** Corrects the map's own checksum. */
function withSum(map: string): Buffer {
  const line = /(<BmapFileChecksum>\s*)([0-9a-f]{64})/;
  const blank = map.replace(line, `$1${"0".repeat(64)}`);
  const sum = createHash("sha256").update(Buffer.from(blank, "latin1").toString("utf8")).digest("hex");
  return Buffer.from(map.replace(line, `$1${sum}`), "latin1");
}

const uki: Reader = {
  name: "uki",
  inputs: 4000,
  samples: async () => [
    makeStub(),
    appendSections(makeStub(), [{ name: ".cmdline", content: Buffer.from("hamlet.slot=a\0") }]),
  ],
  change: (sample, random) => mutateDisk(sample, random, [[0, 1024]]),
  async read(input) {
    findSections(input.subarray(0, 4096));
    appendSections(input, [{ name: ".linux", content: Buffer.alloc(5000) }]);
  },
};

const deviceTree: Reader = {
  name: "device-tree",
  inputs: 6000,
  samples: async () => [smallTree()],
  change: (sample, random) => mutateDisk(sample, random, [[0, sample.length]]),
  async read(input) {
    const tree = readFdt(input);
    setProperty(tree, "/chosen/bootloader", "partition", 2);
    readFdt(writeFdt(tree));
  },
};

/** Headers that say how much of a partition is used, or whether it ever was: FAT, erofs, dm-verity, and an ext4 superblock. */
const heads: Reader = {
  name: "heads",
  inputs: 6000,
  samples: async () => {
    const fat = Buffer.alloc(8192);
    for (const [at, value] of [
      [11, 512],
      [14, 1],
      [22, 4],
      [17, 64],
      [510, 0xaa55],
    ] as const)
      fat.writeUInt16LE(value, at);
    fat.writeUInt16LE(0x0101, 13);
    fat.writeUInt16LE(1, 14);
    fat.writeUInt8(1, 16);
    const root = Buffer.alloc(8192);
    root.writeUInt32LE(0xe0f5e1e2, 1024);
    root.writeUInt8(12, 1036);
    const verity = Buffer.alloc(8192);
    verity.write("verity\0\0", 0, "latin1");
    verity.write("sha256\0", 32, "latin1");
    verity.writeUInt32LE(4096, 68);
    verity.writeUInt32LE(1000, 72);
    const data = Buffer.alloc(8192);
    data.writeUInt16LE(0xef53, 1024 + 56);
    return [fat, root, verity, data];
  },
  change: (sample, random) =>
    mutateDisk(sample, random, [
      [0, 1100],
      [1024, 300],
    ]),
  async read(input) {
    const used = usedBytes(input) ?? 0;
    regionsOf(
      [
        { offset: 4096, sizeBytes: used },
        { offset: used, sizeBytes: 4096 },
      ],
      1 << 30,
    );
    await isDataAsMade(readerOf(memoryFile(input)), 0, 1);
  },
};

const published = {
  ...{ board: "rpi4", version: "1.2.3", inputs: digest, builtS: 1_700_000_000, file: "hamlet.img.xz" },
  ...{ downloadBytes: 1, downloadSha256: digest, extractBytes: 2, extractSha256: digest },
  bmap: { name: "hamlet.img.bmap", sha256: digest },
};
const component = {
  type: "library",
  name: "openssl",
  version: "3",
  licenses: [{ license: { id: "MIT" } }],
  purl: "pkg:deb/a",
};
const bundle = {
  ...{ format: 2, board: "nuc", version: "1", inputs: digest, builtS: 1, verity: { rootHash: digest, dataBlocks: 1 } },
  ...{ parts: { node: 1 }, files: { kernel: { sha256: digest, sizeBytes: 1 } } },
};
const stanza = `Package: attic\nVersion: 1\nArchitecture: amd64\nSize: 12\nSHA256: ${digest}\nFilename: pool/a.deb\nDepends: b`;
const config = configTxt(piKernelOf(rpi("rpi3"), "debian").deviceTrees);

export const fileReaders: Reader[] = [
  bmap,
  uki,
  deviceTree,
  heads,
  text(
    "image.json",
    2000,
    async () => [JSON.stringify(imageFacts)],
    (json) => {
      const { builtS } = parseImageJson(Buffer.from(json), "an image");
      new Date(builtS * 1000).toISOString();
    },
  ),
  text(
    "bundle.json",
    1200,
    async () => [JSON.stringify(bundle)],
    (json) => {
      const parsed = BundleJson.safeParse(parseJson(json)).data;
      if (parsed) new Date(parsed.builtS * 1000).toISOString();
      parseJsonBytes(Buffer.from(json), { isUnique: true });
    },
  ),
  text(
    "sbom",
    2500,
    async () => [sbomText()],
    (json) => Sbom.safeParse(parseJson(json)).data?.components.map(licenceNames),
  ),
  text(
    "images.json",
    2500,
    async () => [JSON.stringify({ format: 1, images: [published] })],
    (json) => {
      const images = PublishedImages.safeParse(parseJson(json)).data?.images ?? [];
      sumsText(images);
      osListText(withPublished(images, []), "https://example.org/");
    },
  ),
  text("yaml", 300, imagerTexts, (userData) => {
    for (const files of [{ userData }, { networkConfig: userData }]) readImagerFiles(files);
  }),
  text(
    "provision",
    3000,
    async () => [await provisionText()],
    (json) => decodeProvisionFile(Buffer.from(json)),
  ),
  text(
    "jws",
    2000,
    async () => [(await makeToken(makeStreet())).jws],
    async (jws) => {
      const { keys } = makeStreet();
      readUnverified("hamlet-token", jws, TokenCertificate);
      // Signed in another neighborhood or not signed at all: refused with a code.
      await verifyToken(jws, keys).catch((error: unknown) => describeError(error));
    },
  ),
  text(
    "ssh-key",
    6000,
    async () => [key],
    (line) => parseSshKey(line),
  ),
  text(
    "config.txt",
    1200,
    async () => [config, autobootSector("a").toString("latin1")],
    async (settings) => {
      const on = { models: ["pi3"], boardType: 8, isTryboot: true };
      await readSettings(settings, on, async () => `${settings}\ninclude again.txt`);
      defaultSlot(Buffer.from(settings).subarray(0, autobootBytes));
    },
  ),
  text(
    "lsblk",
    3000,
    async () => [laptop.lsblk],
    (json) => drivesTable(readDrives(json, laptop.mounts)).map(printable),
  ),
  text(
    "packages",
    4000,
    async () => [`${stanza}\n\n${stanza}`],
    (index) => parsePackages(index),
  ),
  text(
    "copyright",
    4000,
    async () => ["Format: x\n\nFiles: *\nLicense: MIT\n"],
    (copyright) => licencesOf(copyright),
  ),
];

const sbomText = () =>
  JSON.stringify({
    ...{ bomFormat: "CycloneDX", specVersion: "1.6", components: [component, component] },
    metadata: { tools: { components: [component] }, properties: [{ name: "a", value: "b" }] },
  });

async function imagerTexts(): Promise<string[]> {
  const wifi = { ssid: "Küche", password: "pa$$word1", country: "CZ" };
  const files = imagerFiles({ hostname: "attic", timezone: "UTC", user: "pi", sshKeys: [key, key], wifi });
  return [files["user-data"]!, files["network-config"]!];
}

async function provisionText(): Promise<string> {
  const { keys } = makeStreet();
  const { rootKey, successorKey } = keys;
  const { id } = foundedBy(rootKey, successorKey);
  const file = { v: 1, neighborhood: { id, name: "Elm", rootKey, successorKey }, tokenKey: rootKey };
  return JSON.stringify({
    ...file,
    token: (await makeToken(makeStreet())).jws,
    name: "attic",
    config: { a: [{ b: 1 }] },
  });
}
