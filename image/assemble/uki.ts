// A unified kernel image: systemd-stub with kernel, initrd, command line and os-release as PE sections.
// Not made by objcopy, so that it works the same for every architecture.
import { HamletError } from "../../system/error.ts";

type Section = { name: string; content: Buffer };

const sectionHeaderBytes = 40;
// IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ (PE/COFF specification, section flags)
const characteristics = 0x40000040;
/** PE/COFF specification: a power of two between 512 and 64 KiB. */
const isFileAlignment = (bytes: number) => bytes >= 512 && bytes <= 65_536 && (bytes & (bytes - 1)) === 0;
const isSectionAlignment = (bytes: number) => bytes >= 512 && bytes <= 2 ** 31 && (bytes & (bytes - 1)) === 0;
/** The most that an address in a PE header can be, with room to align it. */
const maxAddress = 2 ** 31;
const align = (value: number, to: number) => Math.ceil(value / to) * to;

/** Appends `sections` to the PE program `stub`. Throws `bundle.invalid` if `stub` is no PE program or its header has no room. */
export function appendSections(stub: Buffer, sections: Section[]): Buffer {
  const pe = peHeader(stub);
  const headerEnd = pe.sectionTable + (pe.sections.length + sections.length) * sectionHeaderBytes;
  const contentBytes = sections.reduce((sum, { content }) => sum + align(content.length, 4096), 0);
  const lastEnd = Math.max(...pe.sections.map((one) => one.address + one.virtualBytes));
  const isSane =
    isFileAlignment(pe.fileAlignment) &&
    isSectionAlignment(pe.sectionAlignment) &&
    pe.sizeOfHeaders <= stub.length &&
    lastEnd + contentBytes <= maxAddress;
  if (!isSane) throw new HamletError("bundle.invalid", "the header of the EFI stub is not valid");
  if (headerEnd > pe.sizeOfHeaders)
    throw new HamletError("bundle.invalid", "the EFI stub has no room for more sections");
  const header = Buffer.from(stub.subarray(0, pe.sizeOfHeaders));
  const last = pe.sections.at(-1)!;
  // Page-aligned: the kernel behind the stub is read in place.
  let address = align(last.address + last.virtualBytes, 4096);
  let offset = align(stub.length, pe.fileAlignment);
  const body: Buffer[] = [stub.subarray(pe.sizeOfHeaders), Buffer.alloc(offset - stub.length)];
  sections.forEach(({ name, content }, index) => {
    const at = pe.sectionTable + (pe.sections.length + index) * sectionHeaderBytes;
    const rawBytes = align(content.length, pe.fileAlignment);
    header.fill(0, at, at + sectionHeaderBytes);
    header.write(name, at, 8, "latin1");
    header.writeUInt32LE(content.length, at + 8);
    header.writeUInt32LE(address, at + 12);
    header.writeUInt32LE(rawBytes, at + 16);
    header.writeUInt32LE(offset, at + 20);
    header.writeUInt32LE(characteristics, at + 36);
    body.push(content, Buffer.alloc(rawBytes - content.length));
    address = align(address + content.length, 4096);
    offset += rawBytes;
  });
  header.writeUInt16LE(pe.sections.length + sections.length, pe.coff + 2);
  header.writeUInt32LE(align(address, pe.sectionAlignment), pe.coff + 20 + 56); // SizeOfImage
  header.writeUInt32LE(0, pe.coff + 20 + 64); // CheckSum: firmware ignores it
  return Buffer.concat([header, ...body]);
}

/** Where the sections of a PE program lie in its file; its first 4 KiB are enough. Throws `bundle.invalid`. */
export function findSections(head: Buffer): { name: string; offset: number; sizeBytes: number }[] {
  return peHeader(head).sections.map(({ name, offset, virtualBytes, rawBytes }) => ({
    name,
    offset,
    sizeBytes: Math.min(virtualBytes, rawBytes),
  }));
}

type PeHeader = {
  coff: number;
  sectionTable: number;
  sectionAlignment: number;
  fileAlignment: number;
  sizeOfHeaders: number;
  sections: { name: string; virtualBytes: number; address: number; rawBytes: number; offset: number }[];
};

function peHeader(program: Buffer): PeHeader {
  const refuse = () => new HamletError("bundle.invalid", "not a 64-bit EFI program");
  if (program.length < 64 || program.toString("latin1", 0, 2) !== "MZ") throw refuse();
  const signature = program.readUInt32LE(0x3c);
  if (signature + 24 + 112 > program.length || program.readUInt32LE(signature) !== 0x4550) throw refuse();
  const coff = signature + 4;
  const optional = coff + 20;
  if (program.readUInt16LE(optional) !== 0x20b) throw refuse();
  const sectionTable = optional + program.readUInt16LE(coff + 16);
  const count = program.readUInt16LE(coff + 2);
  if (count === 0 || sectionTable + count * sectionHeaderBytes > program.length) throw refuse();
  const sections = Array.from({ length: count }, (_, index) => {
    const at = sectionTable + index * sectionHeaderBytes;
    return {
      name: program.toString("latin1", at, at + 8).replace(/\0.*$/, ""),
      virtualBytes: program.readUInt32LE(at + 8),
      address: program.readUInt32LE(at + 12),
      rawBytes: program.readUInt32LE(at + 16),
      offset: program.readUInt32LE(at + 20),
    };
  });
  return {
    coff,
    sectionTable,
    sectionAlignment: program.readUInt32LE(optional + 32),
    fileAlignment: program.readUInt32LE(optional + 36),
    sizeOfHeaders: program.readUInt32LE(optional + 60),
    sections,
  };
}
