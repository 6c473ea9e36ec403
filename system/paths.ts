// Where things are kept on the computer of whoever runs a command (XDG Base Directory). The device has its own paths in its config.
import { homedir } from "node:os";
import { join } from "node:path";

export const cacheFolder = (): string => join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "hamlet");
export const stateFolder = (): string =>
  join(process.env["XDG_STATE_HOME"] || join(homedir(), ".local", "state"), "hamlet");
