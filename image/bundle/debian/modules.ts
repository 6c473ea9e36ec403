// Resolves the dependencies of kernel modules and their load order from depmod's text files. Pure.

type ModuleIndex = { paths: Map<string, string>; needs: Map<string, string[]>; wishes: Map<string, string[]> };

/** The kernel treats `-` and `_` as the same. */
export const moduleName = (path: string): string =>
  path
    .replace(/^.*\//, "")
    .replace(/\.ko(\.[a-z0-9]+)?$/, "")
    .replaceAll("-", "_");

/** From `modules.dep` (`a.ko: b.ko c.ko`) and `modules.softdep` (`softdep a pre: b post: c`). */
export function indexModules(dep: string, softdep: string): ModuleIndex {
  const index: ModuleIndex = { paths: new Map(), needs: new Map(), wishes: new Map() };
  for (const line of dep.split("\n")) {
    const [path, needs = ""] = line.split(":");
    if (!path) continue;
    index.paths.set(moduleName(path), path);
    index.needs.set(moduleName(path), needs.split(" ").filter(Boolean).map(moduleName));
  }
  for (const [, name = "", rest = ""] of softdep.matchAll(/^softdep (\S+) (.*)$/gm)) {
    const wishes = rest
      .split(" ")
      .filter((word) => word && !/^(pre|post|platform):$/.test(word))
      .map(moduleName);
    index.wishes.set(moduleName(name), wishes);
  }
  return index;
}

/** Paths of `names` and of all they need or wish for, each after what it needs. Names not there are left out. */
export function moduleClosure(index: ModuleIndex, names: string[]): string[] {
  const ordered = new Set<string>();
  const visiting = new Set<string>();
  const visit = (name: string) => {
    const path = index.paths.get(name);
    if (path === undefined || ordered.has(path) || visiting.has(name)) return;
    visiting.add(name);
    for (const need of [...(index.wishes.get(name) ?? []), ...(index.needs.get(name) ?? [])]) visit(need);
    ordered.add(path);
  };
  for (const name of names) visit(moduleName(name));
  return [...ordered];
}

/** The files of a firmware package that a driver asks for: the one named, or the newest older one of a numbered series. */
export function firmwareFor(asked: string[], available: string[]): string[] {
  const have = new Set(available);
  const found = asked.flatMap((name) => {
    if (have.has(name)) return [name];
    // iwlwifi asks for version N, then for each lower one.
    const [, series, number] = /^(.*-)(\d+)\.ucode$/.exec(name) ?? [];
    if (series === undefined) return [];
    const older = available.flatMap((candidate) => {
      const version = candidate.startsWith(series)
        ? /^(\d+)\.ucode$/.exec(candidate.slice(series.length))?.[1]
        : undefined;
      return version !== undefined && Number(version) < Number(number) ? [{ candidate, version: Number(version) }] : [];
    });
    const best = older.sort((a, b) => b.version - a.version)[0];
    return best ? [best.candidate] : [];
  });
  // Regulatory data of newer Intel cards lies beside the microcode and is asked for at run time.
  const companions = found.map((name) => name.replace(/-\d+\.ucode$/, ".pnvm")).filter((name) => have.has(name));
  return [...new Set([...found, ...companions])].sort();
}
