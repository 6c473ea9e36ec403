// Packages of another architecture run their own programs to configure themselves; QEMU's user emulation runs those. It is
// registered in a user namespace (with its own binfmt_misc, Linux 6.7), so this computer's settings do not change.
import type { Board } from "../../boards.ts";

type Architecture = Board["debianArchitecture"];

export const hostArchitecture = (): Architecture => (process.arch === "arm64" ? "arm64" : "amd64");

/** Matches 64-bit little-endian ELF executables, position-independent or not, of one machine number (elf.h). */
const header = (machine: string) =>
  `\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x${machine}\\x00`;
const mask = "\\xff\\xff\\xff\\xff\\xff\\xfe\\xfe\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff";
const emulators: Record<Architecture, { machine: string; program: string }> = {
  amd64: { machine: "3e", program: "/usr/bin/qemu-x86_64-static" },
  arm64: { machine: "b7", program: "/usr/bin/qemu-aarch64-static" },
};

/**
 * The prefix and options that mmdebstrap needs to install packages of `architecture`. A kernel older than 6.7 uses the
 * computer's own registration, if there is one.
 */
export function foreignPrograms(architecture: Architecture): { enter: string[]; options: string[] } {
  if (architecture === hostArchitecture()) return { enter: [], options: [] };
  const { machine, program } = emulators[architecture];
  // F: the kernel opens the emulator now, so the new root need not contain it.
  const register = `:hamlet:M::${header(machine)}:${mask}:${program}:F`;
  const folder = "/proc/sys/fs/binfmt_misc";
  const hook = `! mount -t binfmt_misc binfmt_misc ${folder} || printf %s '${register}' >${folder}/register`;
  return {
    // mmdebstrap's `unshare` mode makes a user namespace itself.
    enter: process.getuid?.() === 0 ? ["sh", "-c", ownUserNamespace, "sh"] : [],
    options: ["--skip=check/qemu", `--setup-hook=${hook}`],
  };
}

/** Runs its arguments as root of a user namespace that maps every user to itself. */
const ownUserNamespace = `set -eu
unshare --user sh -c '
  until grep -q . /proc/self/uid_map && grep -q . /proc/self/gid_map; do sleep 0.02; done
  exec unshare --mount --pid --fork --kill-child "$@"' sh "$@" &
child=$!
trap 'kill "$child"' TERM INT
tries=0
until echo "0 0 4294967295" 2>/dev/null >"/proc/$child/uid_map"; do
  tries=$((tries + 1))
  [ "$tries" -lt 250 ] || { echo "no user namespace can be made here" >&2; exit 1; }
  sleep 0.02
done 2>/dev/null
echo "0 0 4294967295" >"/proc/$child/gid_map"
wait "$child"
`;
