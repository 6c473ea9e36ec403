// An EFI stub for tests that contains no program, and a reader of a program's sections.
import { findSections } from "../../../image/assemble/uki.ts";

/** The smallest PE32+ program whose header firmware would read. */
export function makeStub({ headerBytes = 1024, magic = 0x20b } = {}): Buffer {
  const stub = Buffer.alloc(headerBytes + 512, 0xcc);
  stub.fill(0, 0, headerBytes);
  stub.write("MZ", 0, "latin1");
  stub.writeUInt32LE(0x80, 0x3c);
  stub.writeUInt32LE(0x4550, 0x80);
  stub.writeUInt16LE(1, 0x84 + 2);
  stub.writeUInt16LE(240, 0x84 + 16);
  const optional = 0x84 + 20;
  stub.writeUInt16LE(magic, optional);
  stub.writeUInt32LE(512, optional + 32);
  stub.writeUInt32LE(512, optional + 36);
  stub.writeUInt32LE(headerBytes, optional + 60);
  const section = optional + 240;
  stub.write(".text", section, "latin1");
  stub.writeUInt32LE(500, section + 8);
  stub.writeUInt32LE(0x4000, section + 12);
  stub.writeUInt32LE(512, section + 16);
  stub.writeUInt32LE(headerBytes, section + 20);
  return stub;
}

/** The sections of a PE program with their content in the file, without padding. */
export const sectionsOf = (program: Buffer): { name: string; content: Buffer }[] =>
  findSections(program).map(({ name, offset, sizeBytes }) => ({
    name,
    content: program.subarray(offset, offset + sizeBytes),
  }));
