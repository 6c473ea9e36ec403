// Reads DNS messages (RFC 1035) from anybody in bounded time: a message that claims more than it holds is refused before it is decoded.
// Pure.
import { addressOf } from "./address.ts";

export type DnsQuestion = { name: string; type: string };
/** `data`: the strings of a TXT record. `address`: of an A record. The data of other types is skipped. */
export type DnsRecord = { name: string; type: string; ttl: number; data?: Buffer[]; address?: string };
export type DnsMessage = {
  isResponse: boolean;
  questions: DnsQuestion[];
  answers: DnsRecord[];
  authorities: DnsRecord[];
  additionals: DnsRecord[];
};

const headerBytes = 12;
const leastQuestionBytes = 5; // a name of one byte, type, class
const leastRecordBytes = 11; // name, type and class as above, ttl, length of the data
/** RFC 6762 17. */
export const maxMessageBytes = 9_000;
const maxRecords = 256;
const maxNameBytes = 255; // RFC 1035 2.3.4
// A compression pointer of two bytes may name a hundred labels, so the number of labels bounds the work.
const maxLabels = 1_024;
const maxStrings = 32;

const types: Record<number, string> = { 1: "A", 12: "PTR", 16: "TXT", 28: "AAAA", 33: "SRV", 41: "OPT", 255: "ANY" };
const [a, txt] = [1, 16];

/** A question for the A records of a name of plain labels. */
export function makeQuery(name: string): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(1, 4);
  const labels = name.split(".").flatMap((label) => [Buffer.of(label.length), Buffer.from(label, "latin1")]);
  return Buffer.concat([header, ...labels, Buffer.of(0, 0, a, 0, 1)]);
}

/** Whether a message is long enough for the questions and records that its header claims. Reads twelve bytes. */
export function holdsWhatItClaims(message: Uint8Array): boolean {
  if (message.length < headerBytes || message.length > maxMessageBytes) return false;
  const [questions, records] = countsOf(message);
  if (questions + records > maxRecords) return false;
  return headerBytes + questions * leastQuestionBytes + records * leastRecordBytes <= message.length;
}

/** Undefined if it is no message, or one that nobody sends in good faith. Never throws. */
export function readDns(message: Uint8Array): DnsMessage | undefined {
  if (!holdsWhatItClaims(message)) return undefined;
  const cursor: Cursor = { bytes: message, at: headerBytes, labelsLeft: maxLabels };
  try {
    const list = <T>(at: number, one: (cursor: Cursor) => T) =>
      Array.from({ length: uint16(message, at) }, () => one(cursor));
    return {
      isResponse: (message[2]! & 0x80) !== 0,
      questions: list(4, readQuestion),
      answers: list(6, readRecord),
      authorities: list(8, readRecord),
      additionals: list(10, readRecord),
    };
  } catch (error) {
    if (error === broken) return undefined;
    throw error;
  }
}

type Cursor = { bytes: Uint8Array; at: number; labelsLeft: number };
/** Thrown and caught in this file. One object: a flood of bad messages must cost no stack traces. */
const broken = new Error("not a DNS message");

function readQuestion(cursor: Cursor): DnsQuestion {
  const name = readName(cursor);
  const type = uint16(cursor.bytes, take(cursor, 4));
  return { name, type: types[type] ?? String(type) };
}

function readRecord(cursor: Cursor): DnsRecord {
  const name = readName(cursor);
  const at = take(cursor, 10);
  const { bytes } = cursor;
  const type = uint16(bytes, at);
  const ttl = uint16(bytes, at + 4) * 0x1_0000 + uint16(bytes, at + 6);
  const length = uint16(bytes, at + 8);
  const start = take(cursor, length);
  const record = { name, type: types[type] ?? String(type), ttl };
  if (type === a && length === 4) return { ...record, address: addressOf(bytes.subarray(start, start + length)) };
  return type === txt ? { ...record, data: readStrings(bytes, start, start + length) } : record;
}

/** The labels of a name, joined by dots. Pointers must lead backwards, so that they end. */
function readName(cursor: Cursor): string {
  const { bytes } = cursor;
  let name = "";
  let nameBytes = 0;
  let at = cursor.at;
  let bound = at;
  let hasJumped = false;
  for (;;) {
    if (at >= bytes.length || --cursor.labelsLeft < 0) throw broken;
    const length = bytes[at]!;
    if (length >= 0xc0) {
      if (at + 2 > bytes.length) throw broken;
      const target = ((length & 0x3f) << 8) | bytes[at + 1]!;
      if (target >= bound || target < headerBytes) throw broken;
      if (!hasJumped) cursor.at = at + 2;
      hasJumped = true;
      at = target;
      bound = target;
      continue;
    }
    nameBytes += length + 1;
    if (length > 63 || nameBytes > maxNameBytes || at + 1 + length > bytes.length) throw broken;
    if (length === 0) {
      if (!hasJumped) cursor.at = at + 1;
      return name;
    }
    const label = Buffer.from(bytes.buffer, bytes.byteOffset + at + 1, length).toString("latin1");
    // Escape a dot inside a label: it does not separate labels.
    name += (name && ".") + (label.includes(".") ? label.replaceAll(".", "\\.") : label);
    at += 1 + length;
  }
}

function readStrings(bytes: Uint8Array, start: number, end: number): Buffer[] {
  const strings: Buffer[] = [];
  for (let at = start; at < end && strings.length < maxStrings; at += 1 + bytes[at]!) {
    if (at + 1 + bytes[at]! > end) throw broken;
    strings.push(Buffer.from(bytes.buffer, bytes.byteOffset + at + 1, bytes[at]!));
  }
  return strings;
}

/** Skips `length` bytes and returns where they begin. */
function take(cursor: Cursor, length: number): number {
  const { at } = cursor;
  cursor.at += length;
  if (cursor.at > cursor.bytes.length) throw broken;
  return at;
}

const uint16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
const countsOf = (bytes: Uint8Array): [questions: number, records: number] => [
  uint16(bytes, 4),
  uint16(bytes, 6) + uint16(bytes, 8) + uint16(bytes, 10),
];
