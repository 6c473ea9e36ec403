// Files that run beside each other start from one image: it is built before them, once.
import { labImage } from "../../cli/commands/lab/start.ts";

export default async function setup(): Promise<void> {
  await labImage();
}
