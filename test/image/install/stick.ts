// A device as a folder: a stick with an identity, and an empty internal disk.
import { chown, mkdir, open, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readGpt, sectorBytes } from "../../../image/disk/gpt.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { makeImage, places } from "../flash/image.ts";

export const targetBytes = 128 << 20;
// The agent's user in this test: 990 if root runs it, otherwise the user who runs it.
export const uid = process.getuid?.() || 990;
export const gid = process.getgid?.() || 990;

export type Stick = { paths: Paths; links: string; image: Buffer; target: string };

export async function makeStick(root: string): Promise<Stick> {
  const paths = pathsUnder(root);
  const put = async (path: string, content: string | Buffer) => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  };
  await put(paths.passwd, `hamlet:x:${uid}:${gid}::/nonexistent:/usr/sbin/nologin\n`);
  await put(paths.identity, '{"secret":"of attic"}');
  await chown(paths.identity, uid, gid);
  await put(paths.provision, '{"name":"attic"}');
  await put(paths.authorizedKeys, "ssh-ed25519 AAAA me\n");
  await put(paths.machineId, "0123456789abcdef0123456789abcdef\n");
  await put(paths.hostname, "attic\n");
  await put(join(paths.systemFolder, "grown"), "");

  const stick = join(paths.dev, "sda");
  await mkdir(paths.dev, { recursive: true });
  const image = await makeImage(stick);
  // Slot a looks like an erofs of 1 MiB; slot b holds garbage from an earlier use.
  image.writeUInt32LE(0xe0f5e1e2, places.rootA + 1024);
  image.writeUInt8(12, places.rootA + 1036);
  image.writeUInt32LE(256, places.rootA + 1060);
  image.fill("old", places.rootB, places.rootB + 8192);
  await writeFile(stick, image);
  const links = join(root, "run/hamlet-disk");
  await mkdir(links, { recursive: true });
  await symlink(stick, join(links, "disk"));
  for (const { label, firstSector, sectors } of readGpt(image)!.partitions) {
    const from = firstSector * sectorBytes;
    await put(join(paths.dev, label), image.subarray(from, from + sectors * sectorBytes));
    await symlink(join(paths.dev, label), join(links, label));
  }
  const target = join(paths.dev, "nvme0n1");
  await put(target, "");
  await truncate(target, targetBytes);
  await put(join(paths.blocks, "sda/serial"), "STICK");
  await put(join(paths.blocks, "nvme0n1/wwid"), "eui.0001");
  return { paths, links, image, target };
}

export async function readAt(path: string, from: number, length: number): Promise<Buffer> {
  const handle = await open(path, "r");
  const { buffer } = await handle.read(Buffer.alloc(length), 0, length, from);
  await handle.close();
  return buffer;
}

export const hasIdentity = (paths: Paths): Promise<boolean> =>
  readFile(paths.identity, "utf8").then(
    (text) => text.includes("attic"),
    () => false,
  );
