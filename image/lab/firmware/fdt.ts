// Reads a flattened device tree, sets properties, and writes it again.
// Pure. Devicetree Specification 0.4, chapter 5.
import { HamletError } from "../../../system/error.ts";

type Node = { name: string; properties: Map<string, Buffer>; children: Node[] };
/** `reservations` is the unchanged memory reservation block, end marker included. */
type DeviceTree = { root: Node; reservations: Buffer; bootCpu: number };

const magic = 0xd00dfeed;
const headerBytes = 40;
const token = { beginNode: 1, endNode: 2, property: 3, nop: 4, end: 9 } as const;
const maxDepth = 64;
/** Linux, MAX_FDT_SIZE: an arm64 kernel accepts no larger one. */
const maxBytes = 2 << 20;
/** The specification allows 31 (2.2.4), labels are longer; many properties may name one string. */
const maxNameChars = 255;
const align = (value: number, to: number) => Math.ceil(value / to) * to;
const invalid = (why: string) => new HamletError("lab.firmwareRefused", `the device tree is not valid: ${why}`);

/** Throws `lab.firmwareRefused` if `blob` is not a valid device tree. */
export function readFdt(blob: Buffer): DeviceTree {
  if (blob.length < headerBytes || blob.readUInt32BE(0) !== magic) throw invalid("no device tree header");
  const [totalBytes, structOffset, stringsOffset, reserveOffset] = [4, 8, 12, 16].map((at) => blob.readUInt32BE(at));
  if (totalBytes! > maxBytes) throw invalid(`it has ${totalBytes} bytes, an arm64 kernel takes ${maxBytes}`);
  if (totalBytes! > blob.length) throw invalid(`it is cut off: ${blob.length} of ${totalBytes} bytes`);
  try {
    let reserveEnd = reserveOffset!;
    while (blob.readBigUInt64BE(reserveEnd) !== 0n || blob.readBigUInt64BE(reserveEnd + 8) !== 0n) reserveEnd += 16;
    const root = readStructure(blob, structOffset!, stringsOffset!);
    const reservations = Buffer.from(blob.subarray(reserveOffset!, reserveEnd + 16));
    return { root, reservations, bootCpu: blob.readUInt32BE(28) };
  } catch (error) {
    // Buffer throws RangeError if an offset points outside the blob.
    throw error instanceof RangeError ? invalid("an offset leads out of it") : error;
  }
}

function readStructure(blob: Buffer, start: number, strings: number): Node {
  let at = start;
  const word = () => {
    at += 4;
    return blob.readUInt32BE(at - 4);
  };
  const text = (from: number) => {
    const end = blob.subarray(0, from + maxNameChars + 1).indexOf(0, from);
    if (end < 0) throw invalid("a name without an end");
    return blob.toString("latin1", from, end);
  };
  const readNode = (depth: number): Node => {
    if (depth > maxDepth) throw invalid("too deep");
    const node: Node = { name: text(at), properties: new Map(), children: [] };
    at = align(at + node.name.length + 1, 4);
    for (;;) {
      const kind = word();
      if (kind === token.endNode) return node;
      if (kind === token.beginNode) node.children.push(readNode(depth + 1));
      else if (kind === token.property) {
        const [length, name] = [word(), word()];
        if (at + length > blob.length) throw invalid("a property leads out of it");
        node.properties.set(text(strings + name), Buffer.from(blob.subarray(at, at + length)));
        at = align(at + length, 4);
      } else if (kind !== token.nop) throw invalid(`unknown token ${kind}`);
    }
  };
  let first = word();
  while (first === token.nop) first = word();
  if (first !== token.beginNode) throw invalid("it has no root node");
  return readNode(0);
}

/** Sets a property of the node at `path` (`/chosen/bootloader`), creating the node if it is missing. */
export function setProperty(tree: DeviceTree, path: string, name: string, value: number | string | Buffer): void {
  let node = tree.root;
  for (const word of path.split("/").filter((part) => part !== "")) {
    let child = node.children.find((one) => one.name === word);
    if (!child) {
      child = { name: word, properties: new Map(), children: [] };
      node.children.push(child);
    }
    node = child;
  }
  node.properties.set(name, propertyBytes(value));
}

function propertyBytes(value: number | string | Buffer): Buffer {
  if (typeof value === "string") return Buffer.from(`${value}\0`);
  if (Buffer.isBuffer(value)) return value;
  return cells([value]);
}

function cells(values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

export function writeFdt({ root, reservations, bootCpu }: DeviceTree): Buffer {
  const strings = new Map<string, number>();
  let stringsBytes = 0;
  const parts: Buffer[] = [];
  const words = (...values: number[]) => {
    parts.push(cells(values));
  };
  const padded = (bytes: Buffer) => parts.push(bytes, Buffer.alloc(align(bytes.length, 4) - bytes.length));
  const writeNode = (node: Node): void => {
    words(token.beginNode);
    padded(Buffer.from(`${node.name}\0`, "latin1"));
    for (const [name, value] of node.properties) {
      if (!strings.has(name)) {
        strings.set(name, stringsBytes);
        stringsBytes += name.length + 1;
      }
      words(token.property, value.length, strings.get(name)!);
      padded(value);
    }
    for (const child of node.children) writeNode(child);
    words(token.endNode);
  };
  writeNode(root);
  words(token.end);
  const structure = Buffer.concat(parts);
  const structOffset = align(headerBytes, 8) + reservations.length;
  const stringsOffset = structOffset + structure.length;
  const header = Buffer.alloc(align(headerBytes, 8));
  const fields = [magic, stringsOffset + stringsBytes, structOffset, stringsOffset, align(headerBytes, 8)];
  // Version 17, readable as 16.
  fields.push(17, 16, bootCpu, stringsBytes, structure.length);
  cells(fields).copy(header);
  const names = Buffer.from([...strings.keys()].map((name) => `${name}\0`).join(""), "latin1");
  return Buffer.concat([header, reservations, structure, names]);
}
