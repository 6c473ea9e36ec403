// The file system of the data partition: small in an image, grown to the rest of the disk on first boot.
import { rm, truncate, writeFile } from "node:fs/promises";
import type { Run } from "../../system/command.ts";
import type { ReadAt } from "../disk/read-at.ts";

type DataVolume = {
  sizeBytes: number;
  uuid: string;
  /** Date of every file in it; default: now. */
  epochS?: number;
  /** Folder to copy into it, with owners and modes. */
  from?: string;
};

const mke2fsConf = `[defaults]
	base_features = none
[fs_types]
	ext4 = {
		features = has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum
	}
	small = {
		inode_ratio = 16384
	}
`;

/** Writes it to the file `path`; needs no root and nothing mounted. */
export async function makeDataVolume(
  path: string,
  { sizeBytes, uuid, epochS, from }: DataVolume,
  run: Run,
): Promise<void> {
  await writeFile(path, "", { mode: 0o600 });
  await truncate(path, sizeBytes);
  const argv = [
    "/sbin/mke2fs",
    "-q",
    ...["-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384", "-m", "1", "-J", "size=8", "-L", "hamlet-data"],
    ...["-U", uuid],
    // Reserve group descriptors, so that it can grow to 2 TiB while mounted.
    ...["-E", `hash_seed=${uuid},resize=536870912,lazy_itable_init=1,root_owner=0:0`],
    ...(from === undefined ? [] : ["-d", from]),
    path,
  ] as const;
  // Ignore the mke2fs.conf of this computer.
  const config = `${path}.conf`;
  await writeFile(config, mke2fsConf);
  const date = epochS === undefined ? {} : { E2FSPROGS_FAKE_TIME: String(epochS), SOURCE_DATE_EPOCH: String(epochS) };
  await run(argv, { env: { MKE2FS_CONFIG: config, ...date }, timeoutMs: 60_000 });
  await rm(config);
}

/**
 * Whether the file system at `firstByte` is as `makeDataVolume` made it at `epochS`: never mounted, never written to. From its
 * first boot on it holds a device's keys.
 */
export async function isDataAsMade(readAt: ReadAt, firstByte: number, epochS: number): Promise<boolean> {
  const superblock = await readAt(firstByte + 1024, 1024);
  if (superblock.length < 1024 || superblock.readUInt16LE(56) !== 0xef53) return false;
  const [mountedS, writtenS, mounts] = [
    superblock.readUInt32LE(44),
    superblock.readUInt32LE(48),
    superblock.readUInt16LE(52),
  ];
  const madeS = superblock.readUInt32LE(264);
  return mounts === 0 && mountedS === 0 && writtenS === madeS && madeS === epochS;
}
