// Where commands keep things on their user's computer (XDG Base Directory). A device has its paths in its config.
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** A relative path in one of these variables must be ignored (XDG Base Directory, "Basics"). */
function folderOf(variable: string, otherwise: string): string {
  const value = process.env[variable] ?? "";
  return join(isAbsolute(value) ? value : join(homedir(), otherwise), "hamlet");
}

export const cacheFolder = (): string => folderOf("XDG_CACHE_HOME", ".cache");
export const stateFolder = (): string => folderOf("XDG_STATE_HOME", ".local/state");
