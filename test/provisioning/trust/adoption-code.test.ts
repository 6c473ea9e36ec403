import { expect, test } from "vitest";
import { adoptionCodeOf, parseAdoptionCode } from "../../../provisioning/trust/adoption-code.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";

// Python's hashlib and base64 give the same value.
const device = Buffer.alloc(32, 3).toString("base64url");

test("an adoption code is the beginning of the device's id in three groups of four", () => {
  expect(adoptionCodeOf(device)).toBe("msfk-lrlz-7myp");
  expect(deviceIdOf(device).startsWith("msfklrlz7myp")).toBe(true);
});

test("a typed code is read with any grouping and normalized to one form", () => {
  for (const typed of ["msfk-lrlz-7myp", "msfklrlz7myp", " MSFK lrlz 7MYP\n"])
    expect(parseAdoptionCode(typed)).toBe("msfk-lrlz-7myp");
  for (const wrong of ["", "msfk-lrlz", "msfk-lrlz-7myp-x", "msfk-lrlz-7my1"])
    expect(parseAdoptionCode(wrong)).toBeUndefined();
});
