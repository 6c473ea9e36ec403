// Where the files of a release lie in the one file that `hamlet ota export -o <file>.tar` wrote (ota/format.md). Nothing is unpacked: a
// device reads pieces of it by place. Its memory is bounded, whatever the file says.
import type { Pieces } from "../../provisioning/handover/folder.ts";

export type Place = { offset: number; length: number };
export type Index = {
  find(path: string): Place | undefined;
  /** The names right below a folder. */
  names(folder: string): string[];
};

const headBytes = 512;
/** Metadata and manifests: far more roots than a repository ever has. */
const maxDocuments = 4_096;
/** Two gigabytes in chunks of the shortest length. */
const maxObjects = 1 << 17;
const documentPath = /^(metadata|targets)(\/(?!\.\.?(\/|$))[A-Za-z0-9._~+-]+)+$/;
const objectPath = /^objects\/([0-9a-f]{2})\/(\1[0-9a-f]{62})$/;
/** Digest, offset, length. */
const rowBytes = 32 + 6 + 4;

/** Throws for a file of another form. */
export async function indexArchive({ sizeBytes, read }: Pieces): Promise<Index> {
  const documents = new Map<string, Place>();
  let rows = Buffer.alloc(1_024 * rowBytes);
  let count = 0;
  const add = (digest: Buffer, { offset, length }: Place) => {
    if (count > 0 && digest.compare(rows, (count - 1) * rowBytes, (count - 1) * rowBytes + 32) <= 0)
      throw new RangeError("its objects are not in the order of their names");
    if (count === maxObjects) throw new RangeError("it has too many objects");
    if ((count + 1) * rowBytes > rows.length) rows = Buffer.concat([rows, Buffer.alloc(rows.length)]);
    const at = count++ * rowBytes;
    digest.copy(rows, at);
    rows.writeUIntBE(offset, at + 32, 6);
    rows.writeUInt32BE(length, at + 38);
  };
  for (let at = 0; ; ) {
    const head = await read(at, headBytes);
    const entry = readHead(head);
    // Two empty blocks end it.
    if (!entry) break;
    const place = { offset: at + headBytes, length: entry.sizeBytes };
    at = place.offset + Math.ceil(entry.sizeBytes / headBytes) * headBytes;
    if (at > sizeBytes) throw new RangeError("it is truncated");
    const digest = objectPath.exec(entry.path)?.[2];
    if (digest !== undefined) add(Buffer.from(digest, "hex"), place);
    else if (!documentPath.test(entry.path)) throw new RangeError("it has a file that no release has");
    else if (documents.size === maxDocuments) throw new RangeError("it has too many files");
    else if (documents.has(entry.path)) throw new RangeError("it has the same file twice");
    else documents.set(entry.path, place);
  }
  return {
    find(path) {
      const digest = objectPath.exec(path)?.[2];
      return digest === undefined ? documents.get(path) : findRow(rows, count, Buffer.from(digest, "hex"));
    },
    names(folder) {
      const below = [...documents.keys()].filter((path) => path.startsWith(`${folder}/`));
      return [...new Set(below.map((path) => path.slice(folder.length + 1).split("/")[0]!))];
    },
  };
}

function findRow(rows: Buffer, count: number, digest: Buffer): Place | undefined {
  for (let [low, high] = [0, count]; low < high; ) {
    const middle = (low + high) >> 1;
    const at = middle * rowBytes;
    const order = digest.compare(rows, at, at + 32);
    if (order === 0) return { offset: rows.readUIntBE(at + 32, 6), length: rows.readUInt32BE(at + 38) };
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return undefined;
}

/**
 * Undefined for an empty block. Only plain files, as `tar` in image/bundle/archive.ts writes them. The sum is not checked: it would cost
 * a device a loop over each head, and what a file holds is verified by its digest or signature.
 */
function readHead(head: Buffer): { path: string; sizeBytes: number } | undefined {
  if (head.length < headBytes) throw new RangeError("it is truncated");
  if (head[0] === 0) return undefined;
  const text = (at: number, length: number) => head.toString("latin1", at, at + length).replace(/\0.*$/s, "");
  const isOurs = text(257, 6) === "ustar" && text(156, 1) === "0";
  const size = text(124, 12);
  if (!isOurs || !/^[0-7]{11}$/.test(size)) throw new RangeError("it is no tar file of plain files");
  const prefix = text(345, 155);
  return { path: `${prefix}${prefix && "/"}${text(0, 100)}`, sizeBytes: Number.parseInt(size, 8) };
}
