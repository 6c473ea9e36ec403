import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readFdt, setProperty, writeFdt } from "../../../../image/lab/firmware/fdt.ts";
import { lacks } from "../../../lacks.ts";
import { smallTree } from "./board.ts";

const folder = mkdtempSync(join(tmpdir(), "hamlet-fdt-"));
afterAll(() => rmSync(folder, { recursive: true }));

const source = `/dts-v1/;
/memreserve/ 0x1000 0x2000;
/ {
  #address-cells = <1>; #size-cells = <1>; model = "Attic";
  chosen { bootargs = "quiet"; };
  soc { serial@7e201000 { reg = <0x7e201000 0x200>; empty; odd = [01 02 03]; }; };
};
`;
const compile = (): Buffer => {
  writeFileSync(join(folder, "tree.dts"), source);
  execFileSync("dtc", ["-q", "-I", "dts", "-O", "dtb", "-o", join(folder, "tree.dtb"), join(folder, "tree.dts")]);
  return readFileSync(join(folder, "tree.dtb"));
};
const sourceOf = (blob: Buffer): string => {
  writeFileSync(join(folder, "out.dtb"), blob);
  return execFileSync("dtc", ["-q", "-s", "-I", "dtb", "-O", "dts", join(folder, "out.dtb")]).toString();
};

test("setting a property keeps the others and creates a missing node", () => {
  const tree = readFdt(smallTree());
  setProperty(tree, "/chosen/bootloader", "tryboot", 1);
  setProperty(tree, "/", "serial-number", "10000000abcdef01");
  const again = readFdt(writeFdt(tree));
  expect(again).toEqual(tree);
  const chosen = again.root.children.find(({ name }) => name === "chosen");
  expect(chosen?.children[0]?.properties.get("tryboot")).toEqual(Buffer.from([0, 0, 0, 1]));
  expect(again.root.properties.get("model")?.toString()).toBe("Small\0");
});

test.skipIf(lacks("dtc"))("dtc reads the same tree before and after, and fdtget reads the new property", () => {
  const blob = compile();
  expect(sourceOf(writeFdt(readFdt(blob)))).toBe(sourceOf(blob));
  const tree = readFdt(blob);
  setProperty(tree, "/chosen/bootloader", "partition", 3);
  setProperty(tree, "/chosen", "hamlet,test", "some text");
  writeFileSync(join(folder, "set.dtb"), writeFdt(tree));
  const get = (...args: string[]) =>
    execFileSync("fdtget", [join(folder, "set.dtb"), ...args])
      .toString()
      .trim();
  expect(get("/chosen/bootloader", "partition")).toBe("3");
  expect(get("/chosen", "hamlet,test")).toBe("some text");
  expect(get("/chosen", "bootargs")).toBe("quiet");
  expect(get("-t", "x", "/soc/serial@7e201000", "reg")).toBe("7e201000 200");
});

test("a blob that is not a tree, is truncated anywhere or points outside itself is refused", () => {
  const blob = smallTree();
  const refused = expect.objectContaining({ code: "lab.firmwareRefused" });
  expect(() => readFdt(Buffer.alloc(0))).toThrow(refused);
  for (let length = 0; length < blob.length; length++) expect(() => readFdt(blob.subarray(0, length))).toThrow(refused);
  for (let at = 0; at < blob.length; at++) {
    const bad = Buffer.from(blob);
    bad[at] = 0xff;
    try {
      writeFdt(readFdt(bad));
    } catch (error) {
      expect(error).toEqual(refused);
    }
  }
});

test("k1-image-fuzz: a tree with a thousand properties of one long name, or larger than a kernel accepts, is refused", () => {
  const tree = smallTree();
  const structOffset = tree.readUInt32BE(8);
  const refused = expect.objectContaining({ code: "lab.firmwareRefused" });
  const long = Buffer.concat([tree, Buffer.alloc(4000, "n")]);
  long.writeUInt32BE(long.length, 4);
  long.writeUInt32BE(tree.length, 12);
  expect(long.readUInt32BE(structOffset)).toBe(1);
  expect(() => readFdt(long)).toThrow(refused);
  const large = Buffer.concat([tree, Buffer.alloc(3 << 20)]);
  large.writeUInt32BE(large.length, 4);
  expect(() => readFdt(large)).toThrow(refused);
});
