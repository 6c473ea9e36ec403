import fc from "fast-check";
import { expect, test } from "vitest";
import {
  blankProvisionBlock,
  decodeProvisionFile,
  encodeProvisionFile,
  isBlankProvisionBlock,
  type ProvisionFile,
  provisionBlockBytes,
  requireBoard,
} from "../../../provisioning/file/provision-file.ts";
import { seedOf } from "../../../provisioning/trust/keys.ts";
import { HamletError } from "../../../system/error.ts";
import { makeStreet, makeToken } from "../../street.ts";

const elm = makeStreet();
const token = await makeToken(elm);
const file: ProvisionFile = {
  v: 1,
  neighborhood: { id: elm.keys.id, name: "Elm Street", rootKey: elm.keys.rootKey, successorKey: elm.keys.successorKey },
  token: token.jws,
  tokenKey: seedOf(token.key),
  name: "attic",
  board: "nuc",
  sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9 me@home"],
  seeds: ["192.168.1.7:7780", "[2001:db8::1]:7780", `hamlet.example:7780#${elm.keys.rootKey}`],
  network: {
    wifi: { ssid: "Küche", password: 'with "quotes"' },
    staticAddress: { interface: "e*", address: "192.168.1.5/24", gateway: "192.168.1.1", dns: ["192.168.1.1"] },
  },
  config: { telemetry: { intervalSeconds: 30 } },
};
const codeOf = (decode: () => unknown): string => {
  try {
    decode();
    return "accepted";
  } catch (error) {
    return error instanceof HamletError ? error.code : "crashed";
  }
};
const bytesOf = (change: object) => Buffer.from(JSON.stringify({ ...file, ...change }));

test("a file fills one block and is read back from it", () => {
  const block = encodeProvisionFile(file);
  expect(block.length).toBe(64 << 10);
  expect(decodeProvisionFile(block)).toEqual(file);
  expect(encodeProvisionFile(file).equals(block)).toBe(true);
  expect(decodeProvisionFile(Buffer.from(JSON.stringify(file)))).toEqual(file);
});

test("a truncated, oversized, blank or garbage block gives a coded error, never part of a file", () => {
  const block = encodeProvisionFile(file);
  const endOfJson = JSON.stringify(file).length;
  for (const length of [1, 2, 100, endOfJson - 1]) {
    expect(codeOf(() => decodeProvisionFile(block.subarray(0, length)))).toBe("provision.invalid");
  }
  expect(codeOf(() => decodeProvisionFile(Buffer.concat([block, Buffer.from(" ")])))).toBe("provision.tooLarge");
  expect(codeOf(() => encodeProvisionFile({ ...file, config: { text: "x".repeat(provisionBlockBytes) } }))).toBe(
    "provision.tooLarge",
  );
  expect(codeOf(() => decodeProvisionFile(blankProvisionBlock()))).toBe("provision.invalid");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        expect(codeOf(() => decodeProvisionFile(bytes))).toBe("provision.invalid");
      },
    ),
  );
});

test("every form of a blank block counts as blank, and a file does not", () => {
  for (const fill of ["\n", " ", "\0"])
    expect(isBlankProvisionBlock(Buffer.alloc(provisionBlockBytes, fill))).toBe(true);
  expect(isBlankProvisionBlock(encodeProvisionFile(file))).toBe(false);
  expect(blankProvisionBlock().length).toBe(provisionBlockBytes);
});

test("every field is validated", () => {
  const oak = makeStreet();
  const wrong: object[] = [
    { v: 2 },
    { surprise: true },
    { neighborhood: { ...file.neighborhood, successorKey: oak.keys.successorKey } },
    { neighborhood: { ...file.neighborhood, name: "two\nlines" } },
    { name: "Attic" },
    { name: "-attic" },
    { name: "a".repeat(64) },
    { board: "../nuc" },
    { tokenKey: "short" },
    { sshKeys: ['command="evil" ssh-ed25519 AAAA'] },
    { sshKeys: ["ssh-ed25519 AAAA me\nssh-ed25519 BBBB"] },
    { seeds: ["no-port"] },
    { seeds: ["host:7780#short"] },
    { config: [] },
    { network: { wifi: { ssid: "x".repeat(33) } } },
    { network: { wifi: { ssid: "home", password: "short" } } },
    { network: { wifi: { ssid: "home", password: "with\nline feed" } } },
    { network: { wifi: { ssid: "home", country: "Germany" } } },
    { network: { staticAddress: { address: "192.168.1.5" } } },
    { network: { staticAddress: { address: "192.168.1.5/33" } } },
    { network: { staticAddress: { address: "192.168.1.5/24", gateway: "router" } } },
    { network: { staticAddress: { address: "192.168.1.5/24", interface: "eth0\n[Network]" } } },
  ];
  for (const change of wrong) {
    expect([change, codeOf(() => decodeProvisionFile(bytesOf(change)))]).toEqual([change, "provision.invalid"]);
  }
});

test("a file for another board is refused; one for no particular board is accepted", () => {
  expect(codeOf(() => requireBoard(file, "rpi4"))).toBe("provision.wrongBoard");
  expect(codeOf(() => requireBoard(file, "nuc"))).toBe("accepted");
  expect(codeOf(() => requireBoard({}, "rpi4"))).toBe("accepted");
});
