// Builds the image that all test files share once, before they run in parallel.
import { labImage } from "../../image/lab/machine/image.ts";

export default async function setup(): Promise<void> {
  await labImage();
}
