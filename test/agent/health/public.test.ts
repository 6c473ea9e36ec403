import { expect, test } from "vitest";
import { publicOf } from "../../../agent/health/public.ts";
import type { WarningCode } from "../../../agent/health/warning-codes.ts";

const warning = (code: WarningCode) => ({ code, severity: "error" as const, message: "m", hint: "h", since: 1 });

test("strangers see no warning that names another device", () => {
  const standing = [warning("member.dead"), warning("port.taken"), warning("member.nameTaken")];
  expect(publicOf(standing).map(({ code }) => code)).toEqual(["port.taken"]);
});
