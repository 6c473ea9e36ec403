import { isIPv6 } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBase32, encodeBase32 } from "../../../provisioning/trust/base32.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import {
  deviceIdOf,
  isId,
  meshAddress,
  meshPrefix,
  neighborhoodHint,
  neighborhoodIdOf,
} from "../../../provisioning/trust/names.ts";

test("base32 round-trips, in one spelling only", () => {
  // RFC 4648 10, lower case, without padding.
  expect(["f", "fo", "foo", "foob", "fooba", "foobar"].map((text) => encodeBase32(Buffer.from(text)))).toEqual([
    "my",
    "mzxq",
    "mzxw6",
    "mzxw6yq",
    "mzxw6ytb",
    "mzxw6ytboi",
  ]);
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(decodeBase32(encodeBase32(bytes))).toEqual(bytes);
    }),
  );
  expect(decodeBase32("mz")).toBeUndefined(); // spare bits that are not zero
  expect(decodeBase32("MY")).toBeUndefined();
  expect(decodeBase32("m")).toBeUndefined();
  expect(isId("a".repeat(26))).toBe(true);
  expect(isId("b".repeat(26))).toBe(false);
  expect(isId("a".repeat(25))).toBe(false);
});

// The expected values come from another implementation (Python's hashlib, base64 and ipaddress).
test("ids, prefix, address and code follow from keys and never change", () => {
  const [root, successor, device] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte).toString("base64url"));
  const id = neighborhoodIdOf(root!, successor!);
  expect(id).toBe("7amk7u32nxb3zex3irzraejhoa");
  expect(deviceIdOf(device!)).toBe("msfklrlz7myphcxxitmx23wiia");
  expect(neighborhoodHint(id)).toBe("510ee77b");
  expect(meshPrefix(id)).toBe("fdf8:18af:d37a::/48");
  expect(meshAddress(id, device!)).toBe("fdf8:18af:d37a:0:f86:97c7:6ca7:d146");
});

test("every address is in its neighborhood's prefix and is written as the kernel writes it", () => {
  const keys = Array.from({ length: 50 }, () => generateSigningKey().publicKey);
  for (const key of keys) {
    const id = neighborhoodIdOf(key, keys[0]!);
    const address = meshAddress(id, key);
    expect(isIPv6(address)).toBe(true);
    expect(address.startsWith(meshPrefix(id).replace(/:?:\/48$/, ":"))).toBe(true);
    expect(address).toMatch(/^fd[0-9a-f:]+$/);
  }
});
