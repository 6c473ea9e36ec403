import { expect, test } from "vitest";
import { isLocalHost } from "../../../system/http/visitor.ts";

test("a host is local if it is an address or a name that only this network can assign", () => {
  for (const host of [
    "192.168.1.7",
    "192.168.1.7:80",
    "[fe80::1]:7780",
    "attic.local",
    "attic",
    "cellar.hamlet.internal",
    "localhost:8080",
    "ATTIC.local.",
  ]) {
    expect(isLocalHost(host), host).toBe(true);
  }
  for (const host of [
    undefined,
    "",
    "evil.example",
    "attic.local.evil.example",
    "192.168.1.7.evil.example",
    "[evil]",
    "[abc]",
    "attic:80:80",
    "a".repeat(300),
  ]) {
    expect(isLocalHost(host), host).toBe(false);
  }
});
