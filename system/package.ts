// Where this package's own files are: in a checkout, or in an installed package, where every program is one built file in dist/.
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Whether this code runs from a file that `npm run build` made. */
export const isBuilt = import.meta.url.endsWith(".mjs");

/** system/ and dist/ both lie directly in it; a built file that stands alone, as on a device, has none. */
export const packageFolder = fileURLToPath(new URL("..", import.meta.url));

/** One of our programs, to start with Node: `built` lies beside the running program, `source` in the checkout. */
export const programFile = (built: string, source: string): string =>
  isBuilt ? fileURLToPath(new URL(built, import.meta.url)) : join(packageFolder, source);
