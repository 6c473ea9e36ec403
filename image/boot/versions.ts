// Compares versions as the boot loader does: it starts the newest.
// Pure. UAPI Group, "Version Format Specification".

/** 1 if `a` is newer than `b`, -1 if it is older, 0 if the loader treats them as equal. */
export function compareVersions(a: string, b: string): -1 | 0 | 1 {
  let [left, right] = [a, b];
  const skip = (one: number, other = one) => {
    [left, right] = [left.slice(one), right.slice(other)];
  };
  for (;;) {
    [left, right] = [left, right].map((text) => text.replace(/^[^0-9A-Za-z~^.-]+/, "")) as [string, string];
    for (const separator of "~-^.") {
      // `~` marks a pre-release: it sorts before everything, even the end; the other separators sort only against each other.
      if (separator === "-" && (left === "" || right === "")) return sign(left.length - right.length);
      const [has, hasOther] = [left.startsWith(separator), right.startsWith(separator)];
      if (has !== hasOther) return has ? -1 : 1;
      if (has) skip(1);
    }
    const isNumber = /^\d/.test(left) || /^\d/.test(right);
    const [one, other] = [left, right].map((text) => (isNumber ? /^\d*/ : /^[A-Za-z]*/).exec(text)![0]) as [
      string,
      string,
    ];
    const order = isNumber ? compareNumbers(one, other) : one < other ? -1 : one > other ? 1 : 0;
    if (order !== 0) return order;
    skip(one.length, other.length);
  }
}

/** An absent number is older than any; leading zeros do not count. */
function compareNumbers(one: string, other: string): -1 | 0 | 1 {
  if (one === "" || other === "") return sign(one.length - other.length);
  const [a, b] = [one.replace(/^0+/, ""), other.replace(/^0+/, "")];
  return a.length !== b.length ? sign(a.length - b.length) : a < b ? -1 : a > b ? 1 : 0;
}

const sign = (value: number): -1 | 0 | 1 => (value > 0 ? 1 : value < 0 ? -1 : 0);
