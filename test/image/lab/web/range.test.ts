import fc from "fast-check";
import { expect, test } from "vitest";
import { spanOf } from "../../../../image/lab/web/range.ts";

test.each([
  ["bytes=0-0", { first: 0, length: 1 }],
  ["bytes=2-5", { first: 2, length: 4 }],
  ["bytes=8-", { first: 8, length: 2 }],
  ["bytes=-3", { first: 7, length: 3 }],
  ["bytes=-30", { first: 0, length: 10 }],
  ["bytes=5-99", { first: 5, length: 5 }],
  ["bytes=10-", "none"],
  ["bytes=10-11", "none"],
  ["bytes=-0", "none"],
  [undefined, "whole"],
  ["bytes=5-2", "whole"],
  ["bytes=0-1,4-5", "whole"],
  ["bytes=-", "whole"],
  ["lines=0-1", "whole"],
  ["bytes=0-1 ", "whole"],
])("of ten bytes, '%s' is %o", (header, span) => {
  expect(spanOf(header, 10)).toEqual(span);
});

test("whatever a client asks for, a span lies in the file and has at least one byte", () => {
  const number = fc.oneof(fc.constant(""), fc.nat({ max: 50 }).map(String), fc.maxSafeNat().map(String));
  fc.assert(
    fc.property(number, number, fc.nat({ max: 40 }), (from, to, sizeBytes) => {
      const span = spanOf(`bytes=${from}-${to}`, sizeBytes);
      if (typeof span === "string") return true;
      return span.first >= 0 && span.length > 0 && span.first + span.length <= sizeBytes;
    }),
  );
});
