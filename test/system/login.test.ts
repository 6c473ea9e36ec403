import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePercent, splitLogin } from "../../system/login.ts";

test("mqtt-percent: escaped and unescaped passwords are both read as meant", () => {
  for (const [typed, meant] of [
    ["50%off", "50%off"],
    ["100%", "100%"],
    ["a%zzb", "a%zzb"],
    ["a%ffb", "a%ffb"],
    ["%e2%82", "%e2%82"],
    ["with space", "with space"],
    ["p%40ss%25", "p@ss%"],
    ["caf%C3%A9 50%", "café 50%"],
  ] as const) {
    expect([typed, decodePercent(typed)]).toEqual([typed, meant]);
  }
});

test("mqtt-percent: every password can be given escaped, and one without % unescaped too", () => {
  const password = fc.string({ unit: "binary" }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(password, (text) => {
      expect(splitLogin(`me:${encodeURIComponent(text)}@host`)).toEqual({
        login: { username: "me", password: text },
        host: "host",
      });
      const plain = text.replaceAll("%", "");
      expect(splitLogin(`me:${plain}@host`).login?.password).toBe(plain);
    }),
  );
});
