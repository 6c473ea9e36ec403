// Parses this computer's package sources as apt does (sources.list(5)), skipping whatever apt skips.
// Pure.

/** An enabled source of binary packages; `options` as in the one-line format. */
type AptSource = { url: string; suite: string; components: string[]; options: string[] };

/** Options that decide whether an index is trusted. The others concern this computer: architectures, languages, targets. */
const keptOptions = ["signed-by", "trusted", "check-valid-until", "check-date", "allow-insecure"];

/** apt ignores files with any other character in their names, such as a blank, an umlaut or `~`. */
const isSourcesName = (name: string): boolean => /^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(?:list|sources)$/.test(name);

/** `files` are `[name, text]`; a name that ends in `.sources` means deb822. */
export function aptSources(files: readonly (readonly [name: string, text: string])[]): AptSource[] {
  const all = files.flatMap(([name, text]) => {
    if (!isSourcesName(name)) return [];
    return name.endsWith(".sources") ? deb822(text) : text.split("\n").flatMap(oneLine);
  });
  // A disc is not a mirror.
  return all.filter(({ url }) => !/^cdrom:/i.test(url));
}

/** `deb [options] uri suite component...`; a `#` anywhere begins a comment. */
function oneLine(text: string): AptSource[] {
  const entry = text.replace(/#.*$/s, "");
  const [, given = "", rest = ""] = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(.*)$/s.exec(entry) ?? [];
  const [url, suite, ...components] = rest
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => word.replace(/^"(.*)"$/, "$1"));
  if (url === undefined || suite === undefined) return [];
  const options = given.split(/\s+/).filter((option) => keptOptions.includes(option.split("=")[0]!.toLowerCase()));
  return [{ url, suite, components, options }];
}

function deb822(text: string): AptSource[] {
  // Remove comments first: one inside a field does not end it. Only an empty line separates stanzas; a line of blanks
  // continues the field above.
  const plain = text.replaceAll("\r", "").replaceAll(/^#.*\n?/gm, "");
  return plain.split(/\n{2,}/).flatMap(stanza);
}

function stanza(text: string): AptSource[] {
  const fields = new Map<string, string>();
  // The last of several fields with the same name counts; case is ignored.
  for (const [, name = "", value = ""] of text.matchAll(/^([^\s:][^:\n]*?)[ \t]*:(.*(?:\n[ \t].*)*)/gm))
    fields.set(name.toLowerCase(), value.trim());
  const words = (name: string) => (fields.get(name) ?? "").split(/\s+/).filter(Boolean);
  if (!words("types").includes("deb") || isNo(fields.get("enabled") ?? "")) return [];
  const options = keptOptions.flatMap((name) => {
    // An inline key block or a fingerprint has no one-line form; the archive's keyring is used instead.
    const value = words(name).join(",");
    if (value === "" || (name === "signed-by" && !words(name).every((word) => word.startsWith("/")))) return [];
    return [`${name}=${value}`];
  });
  const components = words("components");
  return words("uris").flatMap((url) => words("suites").map((suite) => ({ url, suite, components, options })));
}

/** What apt takes for "no": exactly one of these words or a zero. Anything else leaves the source enabled. */
const isNo = (value: string): boolean => /^(?:no|false|without|off|disable|[+-]?(?:0+|0x0+))$/i.test(value);
