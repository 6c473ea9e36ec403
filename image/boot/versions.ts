// The order of versions as the boot loader has it: the newest is started first.
// Pure. UAPI Group, "Version Format Specification".

/** 1 if `a` is newer than `b`, -1 if it is older, 0 if they are the same to the loader. */
export function compareVersions(a: string, b: string): -1 | 0 | 1 {
  let [left, right] = [a, b];
  for (;;) {
    [left, right] = [left, right].map((text) => text.replace(/^[^0-9A-Za-z~^.-]+/, "")) as [string, string];
    // A pre-release is older than what it leads to, even than nothing; the other separators only while both have more.
    const separators = left === "" || right === "" ? "~" : "~-^.";
    const separator = [...separators].find((char) => left.startsWith(char) || right.startsWith(char));
    if (separator !== undefined) {
      if (!left.startsWith(separator)) return 1;
      if (!right.startsWith(separator)) return -1;
      [left, right] = [left.slice(1), right.slice(1)];
      continue;
    }
    if (left === "" || right === "") return sign(left.length - right.length);
    const run = /^\d/.test(left) || /^\d/.test(right) ? /^\d*/ : /^[A-Za-z]*/;
    const [one = "", other = ""] = [left, right].map((text) => run.exec(text)?.[0]);
    const order = run.source === "^\\d*" ? compareNumbers(one, other) : one < other ? -1 : one > other ? 1 : 0;
    if (order !== 0) return order;
    [left, right] = [left.slice(one.length), right.slice(other.length)];
  }
}

/** No number is older than any; leading zeros do not count. */
function compareNumbers(one: string, other: string): -1 | 0 | 1 {
  if (one === "" || other === "") return sign(one.length - other.length);
  const [a, b] = [one.replace(/^0+/, ""), other.replace(/^0+/, "")];
  return a.length !== b.length ? sign(a.length - b.length) : a < b ? -1 : a > b ? 1 : 0;
}

const sign = (value: number): -1 | 0 | 1 => (value > 0 ? 1 : value < 0 ? -1 : 0);
