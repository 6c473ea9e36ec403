// Files that run beside each other start from one image: it is built before them, once.
import { labImage } from "../../image/lab/machine/image.ts";

export default async function setup(): Promise<void> {
  await labImage();
}
