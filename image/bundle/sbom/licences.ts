// Parses the licences that a Debian package names in its copyright file, and maps them to SPDX. Pure.
// Debian, "Machine-readable debian/copyright file" 1.0 (DEP-5).

/** Names as Debian writes them, sorted; empty if the file is not machine-readable. */
export function licencesOf(copyright: string): string[] {
  if (!/^Format:/m.test(copyright.slice(0, 2000))) return [];
  const names = copyright
    .split(/\n[ \t]*\n/)
    // A paragraph without files only has the text of a licence that another paragraph names.
    .filter((paragraph) => /^(Files|Format):/m.test(paragraph))
    .flatMap((paragraph) => /^License:[ \t]*(\S.*)$/m.exec(paragraph)?.[1]?.trim().replaceAll(/\s+/g, " ") ?? []);
  return [...new Set(names)].sort();
}

/** By lower-case name. */
const known = new Map([
  ["0bsd", "0BSD"],
  ["apache-2.0", "Apache-2.0"],
  ["bsd-2-clause", "BSD-2-Clause"],
  ["bsd-3-clause", "BSD-3-Clause"],
  ["bsd-4-clause", "BSD-4-Clause"],
  ["bsl-1.0", "BSL-1.0"],
  ["cc0-1.0", "CC0-1.0"],
  ["cc0", "CC0-1.0"],
  // Debian's name for the MIT licence.
  ["expat", "MIT"],
  ["isc", "ISC"],
  ["mit", "MIT"],
  ["mpl-2.0", "MPL-2.0"],
  ["unicode-dfs-2016", "Unicode-DFS-2016"],
  ["zlib", "Zlib"],
]);

/** SPDX's identifier for a licence by its Debian or npm name, or undefined if none is exactly the same. */
export function spdxId(name: string): string | undefined {
  const [, family, major, minor, later] = /^(L?GPL|GFDL)-(\d)(?:\.(\d+))?(\+|-or-later|-only)?$/i.exec(name) ?? [];
  if (!family || !major) return known.get(name.toLowerCase());
  const number = `${major}.${minor ?? "0"}`;
  const exists = { GPL: ["1.0", "2.0", "3.0"], LGPL: ["2.0", "2.1", "3.0"], GFDL: ["1.1", "1.2", "1.3"] }[
    family.toUpperCase()
  ];
  if (!exists?.includes(number)) return undefined;
  return `${family.toUpperCase()}-${number}-${later === "+" || later === "-or-later" ? "or-later" : "only"}`;
}
