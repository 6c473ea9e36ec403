// Parses `autoboot.txt` and `config.txt` as the firmware does: `name=value` lines under conditional filters.
// Pure. Raspberry Pi documentation, config.txt, "File format" and "Conditional filters".

/** Facts about the board and this boot for the filters. */
export type Conditions = {
  /** Model filters that match the board: `pi3`, `pi3+`. */
  models: readonly string[];
  /** The type in the board's revision code. */
  boardType: number;
  isTryboot: boolean;
  /** Known after the partition has been chosen. */
  partition?: number;
};

export type Settings = {
  /** The last value of each name; the `initramfs` line, which has no `=`, as `initramfs`. */
  values: Map<string, string>;
  /** Overlays and their parameters in order; recorded, not applied. */
  overlays: string[];
};

const maxLineChars = 98;
const maxIncludes = 8;
/** A filter replaces only an earlier one of its kind; filters of different kinds combine. */
const kinds: { kind: string; pattern: RegExp; passes(match: RegExpExecArray, on: Conditions): boolean }[] = [
  { kind: "none", pattern: /^none$/, passes: () => false },
  { kind: "tryboot", pattern: /^tryboot$/, passes: (_, on) => on.isTryboot },
  {
    kind: "partition",
    pattern: /^(?:boot_)?partition=(\d+)$/,
    passes: ([, number], on) => Number(number) === on.partition,
  },
  {
    kind: "board",
    pattern: /^board-type=(0x[0-9a-f]+|\d+)$/i,
    passes: ([, type], on) => Number(type) === on.boardType,
  },
  { kind: "model", pattern: /^((?:pi|cm)[0-9][0-9a-z+]*)$/, passes: ([, name = ""], on) => on.models.includes(name) },
];

/** `include` returns the text of another file, or undefined for a missing one, which is ignored. */
export async function readSettings(
  text: string,
  on: Conditions,
  include: (path: string) => Promise<string | undefined> = async () => undefined,
): Promise<Settings> {
  const settings: Settings = { values: new Map(), overlays: [] };
  const filters = new Map<string, boolean>();
  let includes = 0;
  const read = async (content: string): Promise<void> => {
    for (const raw of content.split(/\r?\n/)) {
      const line = raw.slice(0, maxLineChars).trim();
      const section = /^\[(.*)\]$/.exec(line)?.[1];
      if (section !== undefined) applyFilter(filters, section, on);
      if (section !== undefined || line === "" || line.startsWith("#")) continue;
      if ([...filters.values()].includes(false)) continue;
      const [, included] = /^include\s+(\S+)$/.exec(line) ?? [];
      if (included !== undefined) {
        includes += 1;
        const more = includes <= maxIncludes ? await include(included) : undefined;
        if (more !== undefined) await read(more);
        continue;
      }
      const [, name = "", value = ""] = /^(initramfs)\s+(.*)$/.exec(line) ?? /^([^=\s]+)=(.*)$/.exec(line) ?? [];
      if (/^(dtoverlay|dtparam|device_tree_overlay|device_tree_param)$/.test(name)) settings.overlays.push(line);
      else if (name !== "") settings.values.set(name, value.trim());
    }
  };
  await read(text);
  return settings;
}

function applyFilter(filters: Map<string, boolean>, section: string, on: Conditions): void {
  if (section === "all") {
    filters.clear();
    return;
  }
  for (const { kind, pattern, passes } of kinds) {
    const match = pattern.exec(section);
    if (match) {
      filters.set(kind, passes(match, on));
      return;
    }
  }
  // Filters by GPIO, EDID, serial number and unknown ones never match.
  filters.set("unknown", false);
}
