// What a computer's own sources of packages say, read as apt reads them (sources.list(5)): what apt passes over is none of ours.
// Pure.

/** A source of binary packages that is switched on; `options` as the one-line format has them. */
type AptSource = { url: string; suite: string; components: string[]; options: string[] };

/** Options that decide whether an index is believed. The rest is about this computer: its architectures, languages, targets. */
const keptOptions = ["signed-by", "trusted", "check-valid-until", "check-date", "allow-insecure"];

/** apt takes no other file of a folder: none with a blank, an umlaut or a `~` in its name. */
const isSourcesName = (name: string): boolean => /^[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(?:list|sources)$/.test(name);

/** `files` are `[name, text]`; what ends in `.sources` is deb822. */
export function aptSources(files: readonly (readonly [name: string, text: string])[]): AptSource[] {
  const all = files.flatMap(([name, text]) => {
    if (!isSourcesName(name)) return [];
    return name.endsWith(".sources") ? deb822(text) : text.split("\n").flatMap(oneLine);
  });
  // A disc in a drive is no mirror.
  return all.filter(({ url }) => !/^cdrom:/i.test(url));
}

/** `deb [options] uri suite component...`; a `#` ends what counts, wherever it stands. */
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
  // Comments go first, so that one in the midst of a field does not end it. Only a line that is empty parts two stanzas:
  // one with blanks in it goes on with the field above.
  const plain = text.replaceAll("\r", "").replaceAll(/^#.*\n?/gm, "");
  return plain.split(/\n{2,}/).flatMap(stanza);
}

function stanza(text: string): AptSource[] {
  const fields = new Map<string, string>();
  // The last of several fields with one name counts, in whatever case.
  for (const [, name = "", value = ""] of text.matchAll(/^([^\s:][^:\n]*?)[ \t]*:(.*(?:\n[ \t].*)*)/gm))
    fields.set(name.toLowerCase(), value.trim());
  const words = (name: string) => (fields.get(name) ?? "").split(/\s+/).filter(Boolean);
  if (!words("types").includes("deb") || isNo(fields.get("enabled") ?? "")) return [];
  const options = keptOptions.flatMap((name) => {
    // An inline key block or a fingerprint has no one-line form here; the archive's own keyring is taken then.
    const value = words(name).join(",");
    if (value === "" || (name === "signed-by" && !words(name).every((word) => word.startsWith("/")))) return [];
    return [`${name}=${value}`];
  });
  const components = words("components");
  return words("uris").flatMap((url) => words("suites").map((suite) => ({ url, suite, components, options })));
}

/** apt's own idea of a no: one of these words or a zero, and nothing beside it. All else leaves the source switched on. */
const isNo = (value: string): boolean => /^(?:no|false|without|off|disable|[+-]?(?:0+|0x0+))$/i.test(value);
